/** Writes safetensors files, streaming and atomically. */
import { checkOptions, checkText } from '../arguments.js'
import { planSafetensors, type SafetensorsLayout, type SafetensorsMetadata } from '../safetensors/layout.js'
import { piecesOf, type TensorToWrite } from '../tensorToWrite.js'
import { replaceFile } from './replaceFile.js'

/**
 * Writes one safetensors file in place of an old one. Tensors are asked for their bytes one after the other, so memory
 * holds one piece at a time.
 *
 * @param options.metadata strings for the file's `__metadata__`; other tools expect `{ format: 'pt' }` for PyTorch
 * @throws CheckpointError when it cannot be written or a tensor gives the wrong number of bytes; the old file stays
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  options: { readonly metadata?: SafetensorsMetadata } = {},
): Promise<void> {
  checkText('writeSafetensors: path', path)
  checkOptions('writeSafetensors', options, ['metadata'])
  await replaceFile(path, safetensorsPieces(path, planSafetensors('writeSafetensors', tensors, options.metadata)))
}

/** The bytes of a planned file. */
export async function* safetensorsPieces(path: string, layout: SafetensorsLayout): AsyncGenerator<Uint8Array> {
  yield layout.head
  for (const tensor of layout.tensors) yield* piecesOf(path, tensor)
}
