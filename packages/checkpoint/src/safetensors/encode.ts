/** A safetensors file in memory. */
import { checkOptions } from '../arguments.js'
import { piecesOf, type TensorToWrite } from '../tensorToWrite.js'
import { planSafetensors, type SafetensorsMetadata } from './layout.js'

/**
 * Encodes a whole safetensors file in memory; `writeSafetensors` of `./node` streams instead.
 * @throws ArgumentError when a tensor cannot be stored, CheckpointError when its bytes have the wrong length
 */
export async function encodeSafetensors(
  tensors: Iterable<TensorToWrite>,
  options: { readonly metadata?: SafetensorsMetadata } = {},
): Promise<Uint8Array> {
  checkOptions('encodeSafetensors', options, ['metadata'])
  const layout = planSafetensors('encodeSafetensors', tensors, options.metadata)
  const file = new Uint8Array(layout.size)
  file.set(layout.head)
  let at = layout.head.length
  for (const tensor of layout.tensors) {
    for await (const piece of piecesOf('encodeSafetensors', tensor)) {
      file.set(piece, at)
      at += piece.length
    }
  }
  return file
}
