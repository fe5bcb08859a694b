/** Folds of rows and of running totals. Floats are accumulated in float64 and rounded once, by the caller. */
import type { DType, ScalarType } from '../dtype.js'
import type { ReduceKind } from '../program/ir.js'

export interface Fold {
  /** Back to the value of nothing. */
  reset(): void
  add(value: number, position: number): void
  value(): number
}

/** Ends of the range of a type or dtype; floats end in infinities. */
export function rangeOf(type: ScalarType | DType): readonly [number, number] {
  switch (type) {
    case 'i32':
      return [-2147483648, 2147483647]
    case 'u32':
      return [0, 4294967295]
    case 'i8':
      return [-128, 127]
    case 'u8':
      return [0, 255]
    case 'bool':
      return [0, 1]
    default:
      return [-Infinity, Infinity]
  }
}

/** Value of nothing and step of the folds that keep one number. */
export function simpleFold(
  kind: Exclude<ReduceKind, 'argMax' | 'argMin'>,
  type: ScalarType | DType,
): { readonly start: number; readonly step: (total: number, value: number) => number } {
  const isInteger = type === 'i32' || type === 'i8'
  const isUnsigned = type === 'u32' || type === 'u8'
  const wrapped = (value: number): number => (isInteger ? value | 0 : isUnsigned ? value >>> 0 : value)
  switch (kind) {
    case 'sum':
      return { start: 0, step: (total, value) => wrapped(total + value) }
    case 'prod':
      return {
        start: 1,
        step: (total, value) => (isInteger || isUnsigned ? wrapped(Math.imul(total, value)) : total * value),
      }
    case 'max':
      return { start: rangeOf(type)[0], step: Math.max }
    case 'min':
      return { start: rangeOf(type)[1], step: Math.min }
    case 'any':
      return { start: 0, step: (total, value) => total | Number(value !== 0) }
    case 'all':
      return { start: 1, step: (total, value) => total & Number(value !== 0) }
  }
}

export function foldOf(kind: ReduceKind, type: ScalarType): Fold {
  if (kind === 'argMax' || kind === 'argMin') return positionFold(kind === 'argMax')
  const { start, step } = simpleFold(kind, type)
  let total = start
  return {
    reset: () => (total = start),
    add: (value) => (total = step(total, value)),
    value: () => total,
  }
}

/** Lowest index first; the first NaN wins. */
function positionFold(wantsLargest: boolean): Fold {
  let best = 0
  let leader: number | null = null
  return {
    reset: () => {
      best = 0
      leader = null
    },
    add: (value, position) => {
      const isBetter =
        leader === null ||
        (!Number.isNaN(leader) && (Number.isNaN(value) || (wantsLargest ? value > leader : value < leader)))
      if (!isBetter) return
      best = position
      leader = value
    },
    value: () => best,
  }
}
