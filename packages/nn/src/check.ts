/** Checks of what plain JavaScript may hand over. Messages follow: *function: rule, got value; way out.* */
import { ArgumentError, ShapeError, Tensor } from '@tarazed/tensor'

/** A value for messages. */
export function shown(value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype}[${value.shape.join(', ')}]`
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60))
  if (typeof value === 'function') return `the function ${value.name}`
  if (Array.isArray(value)) return `an array of length ${value.length}`
  return value !== null && typeof value === 'object' ? (value.constructor?.name ?? 'an object') : String(value)
}

/** @throws ArgumentError for anything but a tensor */
export function requireTensor(op: string, name: string, value: unknown, wayOut = 'wrap data in tensor(…)'): void {
  if (!(value instanceof Tensor)) throw new ArgumentError(`${op}: ${name} is a tensor, got ${shown(value)}; ${wayOut}`)
}

/** @throws ArgumentError unless a constructor got tensors: most who call it directly want `init` */
export function requireWeights(op: string, weight: unknown, ...others: readonly (Tensor | null)[]): void {
  requireTensor(op, 'the weight', weight, `write ${op}.init({ … }) to make one with first values`)
  for (const other of others) if (other !== null) requireTensor(op, 'the bias', other, 'give null for none')
}

/** @throws ArgumentError unless a constructor got layers: most who call it directly want `init` */
export function requireLayers(op: string, layers: readonly unknown[]): void {
  for (const layer of layers)
    if (typeof (layer as { forward?: unknown } | null | undefined)?.forward !== 'function')
      throw new ArgumentError(
        `${op}: its parts are layers, got ${shown(layer)}; write ${op}.init({ … }) to make one with first values`,
      )
}

/** @throws ArgumentError for anything but a number in [from, to), or of at least `from` when `to` is left out */
export function requireNumber(op: string, name: string, value: unknown, from: number, to = Infinity): void {
  if (typeof value === 'number' && value >= from && (value < to || to === Infinity)) return
  const range = to === Infinity ? (from === -Infinity ? 'a number' : `at least ${from}`) : `in [${from}, ${to})`
  throw new ArgumentError(`${op}: ${name} is ${range}, got ${shown(value)}; change ${name}`)
}

/** @throws ArgumentError for anything but a whole number of at least `least` */
export function requireCount(op: string, name: string, value: unknown, least = 1): void {
  if (!(Number.isInteger(value) && (value as number) >= least))
    throw new ArgumentError(
      `${op}: ${name} is a whole number of at least ${least}, got ${shown(value)}; change ${name}`,
    )
}

/** Every named value of a record is a whole number of at least 1. @throws ArgumentError naming the first that is not */
export function requireSizes(op: string, sizes: Readonly<Record<string, unknown>>): void {
  for (const name in sizes) requireCount(op, name, sizes[name])
}

/** @throws ArgumentError for anything but a function */
export function requireFunction(op: string, name: string, value: unknown): void {
  if (typeof value !== 'function')
    throw new ArgumentError(`${op}: ${name} is a function, got ${shown(value)}; write it as in (x) => …`)
}

/** @throws ArgumentError for anything but an optimiser */
export function requireOptimizer(op: string, value: unknown): void {
  const { init, update } = (value ?? {}) as { init?: unknown; update?: unknown }
  if (typeof init !== 'function' || typeof update !== 'function')
    throw new ArgumentError(`${op}: it takes an optimizer, got ${shown(value)}; give what adamw(…) returns`)
}

/** @throws ArgumentError for anything but a list of two numbers in [from, to) */
export function requirePair(op: string, name: string, value: unknown, from: number, to = Infinity): void {
  if (!Array.isArray(value) || value.length !== 2)
    throw new ArgumentError(`${op}: ${name} is a list of two numbers, got ${shown(value)}; write it as in [0.9, 0.95]`)
  for (const entry of value) requireNumber(op, name, entry, from, to)
}

/** @throws ArgumentError when `value` is none of `choices` */
export function requireChoice(op: string, name: string, value: unknown, choices: readonly string[]): void {
  if (!choices.includes(value as string))
    throw new ArgumentError(`${op}: ${name} is one of ${choices.join(', ')}, got ${shown(value)}; choose one of them`)
}

/** @throws ArgumentError unless both are tensors, ShapeError unless their shapes are equal: broadcasting hides mistakes in losses */
export function requireSameShape(op: string, names: readonly [string, string], a: unknown, b: unknown): void {
  requireTensor(op, names[0], a)
  requireTensor(op, names[1], b)
  const [left, right] = [(a as Tensor).shape, (b as Tensor).shape]
  if (left.length !== right.length || left.some((extent, k) => extent !== right[k]))
    throw new ShapeError(
      `${op}: ${names[0]} and ${names[1]} have one shape, got ${shown(a)} and ${shown(b)}; reshape one of them, or use broadcastTo if it is meant to repeat`,
    )
}
