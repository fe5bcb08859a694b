/** Values of tensors on the host. Each function evaluates what is lazy. */
import { ShapeError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import { requireTensor } from '../ops/check.js'
import { showShape, stridesOf } from '../shape.js'
import { checkReadable } from './binding.js'
import { evaluate } from './evaluate.js'
import { bytesToData, deviceBytesToBytes, deviceBytesToData, type TensorData } from './hostBytes.js'

async function ready(tensor: Tensor, reader: string): Promise<void> {
  requireTensor(reader, tensor)
  if (tensor.state === 'lazy') await evaluate(tensor)
  else if (tensor.pending !== null) await tensor.pending
  checkReadable(tensor, reader)
}

/** The value, checked again: it may have been disposed while the caller waited. */
function storageOf(tensor: Tensor, reader: string): NonNullable<Tensor['storage']> {
  checkReadable(tensor, reader)
  return tensor.storage as NonNullable<Tensor['storage']>
}

/** All elements in row-major order; f16 and bf16 widened to Float32Array (Float64Array on float64 backends), bool as 0 and 1. A copy. */
export async function data(tensor: Tensor): Promise<TensorData> {
  await ready(tensor, 'data')
  const storage = storageOf(tensor, 'data')
  if (storage.kind === 'host') return bytesToData(storage.bytes, tensor.dtype)
  return deviceBytesToData(
    await storage.backend.read(storage.buffer),
    tensor.dtype,
    storage.backend.capabilities.float64,
  )
}

/** The raw bytes in the layout of the dtype. A copy. */
export async function bytes(tensor: Tensor): Promise<Uint8Array> {
  await ready(tensor, 'bytes')
  const storage = storageOf(tensor, 'bytes')
  if (storage.kind === 'host') return new Uint8Array(storage.bytes)
  return deviceBytesToBytes(
    await storage.backend.read(storage.buffer),
    tensor.dtype,
    storage.backend.capabilities.float64,
  )
}

/**
 * The one element of a tensor of size 1.
 * @throws ShapeError for another size
 */
export async function item(tensor: Tensor): Promise<number> {
  requireTensor('item', tensor)
  if (tensor.size !== 1)
    throw new ShapeError(
      `item: the tensor must have exactly one element, got shape ${showShape(tensor.shape)}; use data() or slice it first`,
    )
  return (await data(tensor))[0]
}

/** Nested arrays of numbers; a number for rank 0. */
export type NestedArray = number | NestedArray[]

/** The values as nested arrays of numbers (bool: 0 or 1), one level for each axis; evaluates the tensor first. */
export async function toArray(tensor: Tensor): Promise<NestedArray> {
  requireTensor('toArray', tensor)
  const values = await data(tensor)
  const strides = stridesOf(tensor.shape)
  const nest = (axis: number, offset: number): NestedArray => {
    if (axis === tensor.rank) return values[offset]
    return Array.from({ length: tensor.shape[axis] }, (_, k) => nest(axis + 1, offset + k * strides[axis]))
  }
  return nest(0, 0)
}
