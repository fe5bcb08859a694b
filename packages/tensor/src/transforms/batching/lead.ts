/** Bringing the mapped axis in front. */
import { broadcast, reshapeTo, scalarConst, transposeTo } from '../../graph/primitives.js'
import type { Tensor } from '../../graph/tensor.js'
import type { Batched } from '../rules.js'

/** The operand with a mapped axis of `size` in front; a view of stride 0 when it had none. */
export function lead({ tensor, batched }: Batched, size: number): Tensor {
  return batched ? tensor : broadcast(tensor, [size, ...tensor.shape])
}

export function mapped(tensor: Tensor): Batched {
  return { tensor, batched: true }
}

export function unmapped(tensor: Tensor): Batched {
  return { tensor, batched: false }
}

/** The shape of one element of the map. */
export function elementShape({ tensor, batched }: Batched): readonly number[] {
  return batched ? tensor.shape.slice(1) : tensor.shape
}

/** Moves an axis to another place. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const order = x.shape.map((_, k) => k).filter((k) => k !== from)
  order.splice(to, 0, from)
  return transposeTo(x, order)
}

/** [size, n, …] -> [size·n, …] */
export function mergeLeading(x: Tensor): Tensor {
  return reshapeTo(x, [x.shape[0] * x.shape[1], ...x.shape.slice(2)])
}

/** [size·n, …] -> [size, n, …] */
export function splitLeading(x: Tensor, size: number, n: number): Tensor {
  return reshapeTo(x, [size, n, ...x.shape.slice(1)])
}

export function zeroStart(): Tensor {
  return scalarConst(0, 'i32')
}
