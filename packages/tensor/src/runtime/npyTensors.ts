/** NumPy files as tensors. */
import { Tensor } from '../graph/tensor.js'
import { formatNpy, parseNpy, type ParseNpyOptions } from '../io/npy.js'
import { formatNpz, parseNpz, type ParseNpzOptions } from '../io/npz.js'
import { argumentError, requireTensor, show } from '../ops/check.js'
import { fromBytes, requireBytes } from '../ops/create.js'
import { checkOptions } from '../ops/options.js'
import { evaluateWith } from './evaluate.js'
import { bytes } from './read.js'

/**
 * A tensor from the bytes of an `.npy` file.
 * @throws NpyError for a file that is broken or of a dtype that tensors do not have
 */
export function fromNpy(file: Uint8Array, options?: ParseNpyOptions): Tensor {
  requireBytes('fromNpy', file)
  const { dtype, shape, bytes: content } = parseNpy(file, checkOptions('fromNpy', options, ['wide', 'maxBytes']))
  return fromBytes(content, { shape, dtype })
}

/** The bytes of an `.npy` file that holds a tensor; bf16 is stored as two opaque bytes, as ml_dtypes does. */
export async function toNpy(tensor: Tensor): Promise<Uint8Array> {
  requireTensor('toNpy', tensor)
  return formatNpy({ dtype: tensor.dtype, shape: tensor.shape, bytes: await bytes(tensor) })
}

/**
 * Tensors by name from the bytes of an `.npz` archive.
 * @throws NpyError as `fromNpy`, and beyond the limits of `options`
 */
export async function fromNpz(file: Uint8Array, options?: ParseNpzOptions): Promise<Record<string, Tensor>> {
  requireBytes('fromNpz', file)
  const arrays = await parseNpz(file, checkOptions('fromNpz', options, ['wide', 'maxBytes', 'maxEntries']))
  return Object.fromEntries(
    [...arrays].map(([name, array]) => [name, fromBytes(array.bytes, { shape: array.shape, dtype: array.dtype })]),
  )
}

/** The bytes of an `.npz` archive of named tensors. */
export async function toNpz(tensors: Readonly<Record<string, Tensor>>): Promise<Uint8Array> {
  if (typeof tensors !== 'object' || tensors === null || tensors instanceof Tensor)
    throw argumentError('toNpz', 'the tensors must be a record by name', show(tensors), 'write toNpz({ x })')
  requireTensor('toNpz', ...Object.values(tensors))
  await evaluateWith({}, Object.values(tensors))
  const entries = await Promise.all(
    Object.entries(tensors).map(
      async ([name, tensor]) =>
        [name, { dtype: tensor.dtype, shape: tensor.shape, bytes: await bytes(tensor) }] as const,
    ),
  )
  return formatNpz(new Map(entries))
}
