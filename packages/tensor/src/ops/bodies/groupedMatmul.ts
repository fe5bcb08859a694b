/** Products whose groups are known at run time: one product a group over all rows, with the rows of other groups hidden. */
import {
  binary,
  broadcast,
  compare,
  cumulativeOf,
  iota,
  matmulOf,
  reduceOver,
  reshapeTo,
  select,
  sliceOf,
  transposeTo,
} from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import { constant } from '../build.js'

/** E times the work of the routine, for backends that have none. Hidden rows are replaced, not multiplied by 0: they may be NaN. */
export function groupedMatmulBody(a: Tensor, b: Tensor, offsets: Tensor, contract: 'columns' | 'rows'): Tensor {
  const own = membership(offsets, a.shape[0])
  const left = onlyWhere(own, a)
  if (contract === 'rows') return matmulOf(transposeTo(left, [0, 2, 1]), onlyWhere(own, b))
  const products = matmulOf(left, b)
  const mask = broadcast(reshapeTo(own, [...own.shape, 1]), products.shape)
  return reduceOver('sum', select(mask, products, constant(0, products)), [0])
}

/** bool [E, N]: whether row n is in group e. */
function membership(offsets: Tensor, N: number): Tensor {
  const E = offsets.shape[0] - 1
  const inside = binary('maximum', binary('minimum', offsets, constant(N, offsets)), constant(0, offsets))
  const limits = cumulativeOf(inside, { kind: 'max', axis: 0, exclusive: false, reverse: false })
  const limit = (from: number): Tensor => broadcast(reshapeTo(sliceOf(limits, [from], [E], [1]), [E, 1]), [E, N])
  const row = broadcast(iota(N), [E, N])
  return binary('and', compare('le', limit(0), row), compare('lt', row, limit(1)))
}

/** x [N, K] -> [E, N, K]: the rows of each group, zeros elsewhere. */
function onlyWhere(own: Tensor, x: Tensor): Tensor {
  const shape = [...own.shape, x.shape[1]]
  const all = broadcast(x, shape)
  return select(broadcast(reshapeTo(own, [...own.shape, 1]), shape), all, constant(0, all))
}
