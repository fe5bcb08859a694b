/** Calls as plain JavaScript makes them by mistake, for every function of a module. */

/** What lands in an argument by mistake: nothing, text, numbers, a promise that nobody awaited, objects of other libraries. */
export const NONSENSE: readonly unknown[] = [
  undefined,
  null,
  'text',
  '',
  7,
  -1,
  Number.NaN,
  true,
  10n,
  Symbol('s'),
  Promise.resolve(1),
  {},
  { nonsense: 1 },
  [],
  [[]],
  ['text'],
  [null],
  new Date(0),
  new Float64Array(2),
  new Map(),
  () => 1,
]

/** Argument lists around values that are right: nothing at all, each kind of nonsense alone, and behind right arguments. */
export function wrongCalls(right: readonly (readonly unknown[])[]): unknown[][] {
  const calls: unknown[][] = [[]]
  for (const value of NONSENSE) {
    calls.push([value], [value, value], [value, value, value])
    for (const before of right) calls.push([...before, value])
    for (const before of right) if (before.length === 1) calls.push([...before, value, value])
  }
  return calls
}

/** A result that can itself be misused (a transformed function, a promise) is, and its failure counts. */
export async function outcome(call: () => unknown, again: readonly unknown[]): Promise<unknown> {
  try {
    const result: unknown = await call()
    if (typeof result === 'function') await (result as (...args: unknown[]) => unknown)(...again)
    return undefined
  } catch (error) {
    return error
  }
}
