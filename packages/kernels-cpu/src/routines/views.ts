/** Helpers that planners share: dtype codes, sizes, and axes seen through several views at once. */
import type { DType, RoutineAttrs } from '@tarazed/tensor'

/** Codes of dtypes in plan words; assembly/memory.ts has the same. bool is stored like u8. */
const CODES: Record<DType, number> = { f32: 0, f16: 1, bf16: 2, i32: 3, u32: 4, i8: 5, u8: 6, bool: 6 }

export function dtypeCode(dtype: DType): number {
  return CODES[dtype]
}

export function bytesOf(dtype: DType): number {
  switch (dtype) {
    case 'f32':
    case 'i32':
    case 'u32':
      return 4
    case 'f16':
    case 'bf16':
      return 2
    case 'i8':
    case 'u8':
    case 'bool':
      return 1
  }
}

export function isFloatType(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f16' || dtype === 'bf16'
}

export function product(extents: readonly number[]): number {
  return extents.reduce((total, extent) => total * extent, 1)
}

export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b)
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}

/** Strides of a dense row-major array. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis]
  }
  return strides
}

/** An axis of a domain with its stride in each of several views. */
export interface Axis {
  readonly extent: number
  readonly strides: readonly number[]
}

/** The axes of one shape seen through the strides of several views. */
export function axesOf(shape: readonly number[], ...strides: readonly (readonly number[])[]): Axis[] {
  return shape.map((extent, axis) => ({ extent, strides: strides.map((of) => of[axis]) }))
}

/** Drops axes of extent 1 and joins neighbours that are one axis in every view. */
export function collapse(axes: readonly Axis[]): Axis[] {
  const joined: Axis[] = []
  for (const axis of axes) {
    if (axis.extent === 1) continue
    const before = joined.at(-1)
    if (before !== undefined && before.strides.every((stride, view) => stride === axis.strides[view] * axis.extent)) {
      joined[joined.length - 1] = { extent: before.extent * axis.extent, strides: axis.strides }
    } else {
      joined.push(axis)
    }
  }
  return joined
}

/** [extent, ...strides] of every axis in a row, as the assembly's axis records expect. */
export function axisWords(axes: readonly Axis[]): number[] {
  return axes.flatMap((axis) => [axis.extent, ...axis.strides])
}

export function numberAttr(attrs: RoutineAttrs, name: string): number {
  return attrs[name] as number
}

export function listAttr(attrs: RoutineAttrs, name: string): readonly number[] {
  return attrs[name] as readonly number[]
}
