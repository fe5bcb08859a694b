/** Running folds in log₂ n doubling steps. */
import type { BinaryName, PrimitiveAttrs } from '../../graph/primitive.js'
import { binary, castTo, padWith } from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { toF32 } from '../build.js'
import type { DType } from '../../dtype.js'

type Attrs = PrimitiveAttrs['cumulative']

const FOLD: Record<Attrs['kind'], BinaryName> = { sum: 'add', prod: 'mul', max: 'maximum', min: 'minimum' }

const LOWEST: Partial<Record<DType, number>> = { i32: -2147483648, i8: -128, u32: 0, u8: 0 }
const HIGHEST: Partial<Record<DType, number>> = { i32: 2147483647, i8: 127, u32: 4294967295, u8: 255 }

/** What changes nothing when folded in. */
function identityOf(kind: Attrs['kind'], dtype: DType): number {
  switch (kind) {
    case 'sum':
      return 0
    case 'prod':
      return 1
    case 'max':
      return LOWEST[dtype] ?? -Infinity
    case 'min':
      return HIGHEST[dtype] ?? Infinity
  }
}

export function cumulativeBody(x: Tensor, attrs: Attrs): Tensor {
  const wide = toF32(x)
  const extent = x.shape[attrs.axis]
  let total = attrs.exclusive ? shifted(wide, 1, attrs) : wide
  for (let distance = 1; distance < extent; distance *= 2)
    total = binary(FOLD[attrs.kind], total, shifted(total, distance, attrs))
  return castTo(total, x.dtype)
}

/** Elements moved `distance` places in the direction of the fold, identities moved in. */
function shifted(x: Tensor, distance: number, { kind, axis, reverse }: Attrs): Tensor {
  const by = Math.min(distance, x.shape[axis])
  const along = (n: number): number[] => x.shape.map((_, k) => (k === axis ? n : 0))
  const [low, high] = reverse ? [-by, by] : [by, -by]
  return padWith(x, along(low), along(high), along(0), identityOf(kind, x.dtype))
}
