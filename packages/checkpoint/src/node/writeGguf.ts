/** Writes GGUF files, streaming and atomically. */
import { checkOptions, checkText } from '../arguments.js'
import { padded, planGguf, type GgufLayout, type GgufMetadata } from '../gguf/encode.js'
import { piecesOf, type TensorToWrite } from '../tensorToWrite.js'
import { replaceFile } from './replaceFile.js'

/**
 * Writes a GGUF file of version 3 in place of an old one. Names, rows and types are written as given;
 * `convertCheckpoint` brings those of a Hugging Face checkpoint into the form that GGUF readers expect.
 *
 * @param options.metadata values with their types, in the order of the file
 * @throws CheckpointError when it cannot be written or a tensor gives the wrong number of bytes; the old file stays
 */
export async function writeGguf(
  path: string,
  tensors: Iterable<TensorToWrite>,
  options: { readonly metadata?: GgufMetadata } = {},
): Promise<void> {
  checkText('writeGguf: path', path)
  checkOptions('writeGguf', options, ['metadata'])
  await replaceFile(path, ggufPieces(path, planGguf('writeGguf', tensors, options.metadata ?? {})))
}

async function* ggufPieces(path: string, { head, tensors, alignment }: GgufLayout): AsyncGenerator<Uint8Array> {
  yield head
  for (const tensor of tensors) {
    yield* piecesOf(path, tensor)
    yield new Uint8Array(padded(tensor.byteLength, alignment) - tensor.byteLength)
  }
}
