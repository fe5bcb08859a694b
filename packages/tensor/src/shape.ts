/** Arithmetic of shapes, axes and row-major strides. */
import { ShapeError } from './errors.js'

export function sizeOf(shape: readonly number[]): number {
  let size = 1
  for (const extent of shape) size *= extent
  return size
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, k) => extent === b[k])
}

/** `[2, 3]` for messages. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let k = shape.length - 1; k >= 0; k--) {
    strides[k] = stride
    stride *= shape[k]
  }
  return strides
}

/**
 * An axis counted from either end, as one from the front.
 * @throws ShapeError when it is out of range
 */
export function normalizeAxis(op: string, axis: number, shape: readonly number[], extraAxes = 0): number {
  const rank = shape.length + extraAxes
  const positive = Number.isInteger(axis) && axis < 0 ? axis + rank : axis
  if (rank === 0)
    throw new ShapeError(`${op}: axis must name one of the axes, got shape [], which has none; reshape it`)
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank)
    throw new ShapeError(
      `${op}: axis must be an integer in [${-rank}, ${rank - 1}] for shape ${showShape(shape)}, got axis ${showAxes(axis)}; axes count from 0, or from -1 backwards`,
    )
  return positive
}

/** Also of what types forbid: text in quotes, objects by their class. */
function showAxes(axes: unknown): string {
  if (typeof axes === 'string') return JSON.stringify(axes)
  return typeof axes === 'object' && axes !== null ? (axes.constructor?.name ?? 'an object') : String(axes)
}

/**
 * Several axes, ascending; null means all.
 * @throws ShapeError when one is out of range or given twice
 */
export function normalizeAxes(
  op: string,
  axes: readonly number[] | number | null | undefined,
  shape: readonly number[],
): number[] {
  if (axes === null || axes === undefined) return shape.map((_, k) => k)
  if (typeof axes !== 'number' && !Array.isArray(axes))
    throw new ShapeError(
      `${op}: axes must be a number or a list of numbers, got ${showAxes(axes)}; write them as in [0, 1]`,
    )
  const list = (typeof axes === 'number' ? [axes] : axes).map((axis) => normalizeAxis(op, axis, shape))
  const sorted = [...list].sort((a, b) => a - b)
  if (sorted.some((axis, k) => k > 0 && axis === sorted[k - 1]))
    throw new ShapeError(
      `${op}: every axis may be named once, got axes [${typeof axes === 'number' ? axes : axes.join(', ')}] for shape ${showShape(shape)}; drop the second`,
    )
  return sorted
}

/**
 * The common shape of operands under numpy's broadcasting.
 * @throws ShapeError when sizes differ and neither is 1
 */
export function broadcastShapes(op: string, ...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length))
  const result = new Array<number>(rank).fill(1)
  for (const shape of shapes) {
    for (let k = 0; k < shape.length; k++) {
      const at = rank - shape.length + k
      if (shape[k] === 1) continue
      if (result[at] !== 1 && result[at] !== shape[k])
        throw new ShapeError(
          `${op}: shapes must broadcast (sizes equal or 1, counted from the last axis), got ${shapes.map(showShape).join(' and ')}; reshape or transpose one of them`,
        )
      result[at] = shape[k]
    }
  }
  return result
}
