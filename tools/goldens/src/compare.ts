/** The rule by which a result equals a stored one. */
import { describe, numbersOf, smallestNormal, type HostTensor } from './hostTensor.js'

/** `[rtol, atol]`: an element passes if |got - want| <= atol + rtol·|want|. `[0, 0]` is bit for bit. */
export type Tolerance = readonly [rtol: number, atol: number]

export interface CompareOptions {
  readonly tolerance: Tolerance
  /** What a subnormal wanted value may be instead: 0 on backends that flush. */
  readonly flushToZero?: boolean
  /** Elements that are not compared. */
  readonly exempt?: (element: number) => boolean
}

/**
 * Compares shape, dtype and every element. NaN equals NaN of any payload, an infinity equals the same infinity,
 * -0 equals 0: with tolerance `[0, 0]` that is bit for bit.
 * @returns null when equal, else one line that names the worst element
 */
export function compareTensors(
  label: string,
  got: HostTensor,
  want: HostTensor,
  options: CompareOptions,
): string | null {
  if (describe(got) !== describe(want)) return `${label}: got ${describe(got)}, want ${describe(want)}`
  return compareNumbers(label, want.shape, numbersOf(got), numbersOf(want), {
    ...options,
    smallestNormal: options.flushToZero ? smallestNormal(want.dtype) : 0,
  })
}

/** The elementwise rule alone, on numbers. `shape` is for the message. */
export function compareNumbers(
  label: string,
  shape: readonly number[],
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  options: CompareOptions & { readonly smallestNormal?: number },
): string | null {
  if (got.length !== want.length) return `${label}: got ${got.length} elements, want ${want.length}`
  const [rtol, atol] = options.tolerance
  let wrong = 0
  let worst = -1
  let worstExcess = -1
  for (let element = 0; element < want.length; element++) {
    const excess = excessOver(got[element], want[element], rtol, atol)
    if (excess <= 1 || options.exempt?.(element)) continue
    if (got[element] === 0 && Math.abs(want[element]) < (options.smallestNormal ?? 0)) continue
    wrong++
    if (excess > worstExcess) [worst, worstExcess] = [element, excess]
  }
  if (worst < 0) return null
  const place = `${label}[${coordinates(worst, shape).join(', ')}]`
  return `${place} got ${show(got[worst])}, want ${show(want[worst])}, tolerance ${showTolerance(options.tolerance)}, ${wrong} of ${want.length} wrong`
}

/** Error over tolerance: at most 1 passes. */
function excessOver(got: number, want: number, rtol: number, atol: number): number {
  if (got === want || (Number.isNaN(got) && Number.isNaN(want))) return 0
  if (!Number.isFinite(got) || !Number.isFinite(want)) return Infinity
  const allowed = atol + rtol * Math.abs(want)
  return allowed === 0 ? Infinity : Math.abs(got - want) / allowed
}

function coordinates(element: number, shape: readonly number[]): number[] {
  const result: number[] = []
  let rest = element
  for (const extent of [...shape].reverse()) {
    result.unshift(rest % extent)
    rest = Math.floor(rest / extent)
  }
  return result
}

function show(value: number): string {
  if (Object.is(value, -0)) return '-0'
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? String(value) : Number(value.toPrecision(9)).toString()
}

function showTolerance([rtol, atol]: Tolerance): string {
  return rtol === 0 && atol === 0 ? 'exact' : `rtol ${rtol} atol ${atol}`
}
