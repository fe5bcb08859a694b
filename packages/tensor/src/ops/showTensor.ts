/** Tensors as text, for `console.log`. */
import { isFloat } from '../dtype.js'
import type { Tensor } from '../graph/tensor.js'
import { bytesToData } from '../runtime/hostBytes.js'
import { argumentError, show } from './check.js'

/** Elements at either end of an axis that is too long to show. */
const EDGE = 3
const LONGEST_AXIS = 2 * EDGE

/** `f32[2, 2] [[1, 2], [3, 4]]` when the values lie in host memory, else what the tensor waits for. */
export function showTensor(x: Tensor): string {
  if (x.state !== 'ready') return `${show(x)} (${x.state})`
  if (x.storage?.kind !== 'host') return `${show(x)} (on a device; await toArray() for its values)`
  const values = bytesToData(x.storage.bytes, x.dtype)
  const text = (k: number): string =>
    x.dtype === 'bool' ? String(values[k] !== 0) : isFloat(x.dtype) ? shortFloat(values[k]) : String(values[k])
  return `${show(x)} ${nested(x.shape, 0, 0, text)}`
}

/** For `JSON.stringify`, which cannot wait for values: `f32[2, 3] (values: await toArray())`. */
export function describeTensor(x: Tensor): string {
  return `${show(x)} (values: await toArray())`
}

/**
 * Text where text is wanted. `x * 2` and `x > 0` would silently become NaN and false, and `x + 1` a text.
 * @throws ArgumentError for arithmetic and comparisons
 */
export function toPrimitive(x: Tensor, hint: string): string {
  if (hint === 'string') return showTensor(x)
  throw argumentError(
    'tensor',
    'JavaScript operators do not compute with tensors',
    show(x),
    'use methods, as in x.add(1), x.mul(y) and x.greater(0), or read a number with await x.item()',
  )
}

/** Six significant digits without trailing zeros. */
function shortFloat(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value)
}

function nested(shape: readonly number[], axis: number, offset: number, text: (k: number) => string): string {
  if (axis === shape.length) return text(offset)
  const extent = shape[axis]
  const stride = shape.slice(axis + 1).reduce((size, n) => size * n, 1)
  const all = Array.from({ length: extent }, (_, k) => k)
  const chosen = extent <= LONGEST_AXIS ? all : [...all.slice(0, EDGE), null, ...all.slice(-EDGE)]
  return `[${chosen.map((k) => (k === null ? '…' : nested(shape, axis + 1, offset + k * stride, text))).join(', ')}]`
}
