/** The few operations that derivative rules are written in, over primitives of equal shapes and dtypes. */
import { isFloat, type DType } from '../dtype.js'
import {
  binary,
  broadcast,
  castTo,
  compare,
  padWith,
  reduceOver,
  reshapeTo,
  scalarConst,
  select,
  sliceOf,
  unary,
} from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { sameShape } from '../shape.js'

export const add = (a: Tensor, b: Tensor): Tensor => binary('add', a, b)
export const sub = (a: Tensor, b: Tensor): Tensor => binary('sub', a, b)
export const mul = (a: Tensor, b: Tensor): Tensor => binary('mul', a, b)
export const div = (a: Tensor, b: Tensor): Tensor => binary('div', a, b)
export const neg = (x: Tensor): Tensor => unary('neg', x)
export const less = (a: Tensor, b: Tensor): Tensor => compare('lt', a, b)
export const equal = (a: Tensor, b: Tensor): Tensor => compare('eq', a, b)

/** One number everywhere. */
export function full(shape: readonly number[], dtype: DType, value: number): Tensor {
  return broadcast(scalarConst(value, dtype), shape)
}

export function zeros(like: { readonly shape: readonly number[]; readonly dtype: DType }): Tensor {
  return full(like.shape, like.dtype, 0)
}

/** A number in the shape and dtype of `like`. */
export function constant(like: Tensor, value: number): Tensor {
  return full(like.shape, like.dtype, value)
}

export function scale(x: Tensor, factor: number): Tensor {
  return mul(x, constant(x, factor))
}

/** x where the condition holds, 0 elsewhere. */
export function keepWhere(cond: Tensor, x: Tensor): Tensor {
  return select(cond, x, zeros(x))
}

export function dropWhere(cond: Tensor, x: Tensor): Tensor {
  return select(cond, zeros(x), x)
}

export function addMaybe(a: Tensor | null, b: Tensor | null): Tensor | null {
  if (a === null) return b
  return b === null ? a : add(a, b)
}

export function isNarrow(dtype: DType): boolean {
  return isFloat(dtype) && dtype !== 'f32'
}

/** f16 and bf16 as f32: rules of several steps compute in f32 and round once. */
export function widen(x: Tensor): Tensor {
  return isNarrow(x.dtype) ? castTo(x, 'f32') : x
}

/** The transpose of a broadcast: sums the axes that were added or grew. */
export function sumToShape(x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x
  const added = x.rank - shape.length
  const axes = x.shape.flatMap((n, k) => (k < added || (shape[k - added] === 1 && n !== 1) ? [k] : []))
  return reshapeTo(reduceOver('sum', x, axes), shape)
}

/** A reduced tensor stretched over the axes that were dropped. */
export function expandReduced(x: Tensor, shape: readonly number[], axes: readonly number[]): Tensor {
  return broadcast(
    reshapeTo(
      x,
      shape.map((n, k) => (axes.includes(k) ? 1 : n)),
    ),
    shape,
  )
}

/** Elements in reverse order along the axes. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  return sliceOf(
    x,
    x.shape.map((n, k) => (axes.includes(k) ? Math.max(0, n - 1) : 0)),
    x.shape,
    x.shape.map((_, k) => (axes.includes(k) ? -1 : 1)),
  )
}

/** Moves elements by `by` places along an axis (down for negative), zeros coming in. */
export function shift(x: Tensor, axis: number, by: number): Tensor {
  const at = (value: number): number[] => x.shape.map((_, k) => (k === axis ? value : 0))
  return padWith(x, at(by), at(-by), at(0), 0)
}
