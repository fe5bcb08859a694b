/** A GGUF model that is cut into several files. */
import { type CheckpointParts } from '../checkpoint.js'
import { CheckpointError } from '../errors.js'
import { type Folder } from '../folder.js'
import { openAll } from '../sharded.js'
import { readGguf } from './open.js'

/**
 * Joins the files `NAME-0000x-of-0000y.gguf`; metadata is that of the first.
 * @throws CheckpointError when a part is missing or a tensor is in two of them
 */
export async function openGgufParts(folder: Folder, files: readonly string[]): Promise<CheckpointParts> {
  const count = Number(/-of-(\d{5})\.gguf$/.exec(files[0])?.[1])
  if (files.length !== count)
    throw new CheckpointError({
      file: folder.name,
      rule: `${files[0]} is one of ${count} parts, which must all be there`,
      got: `${files.length}`,
      wayOut: 'get the missing parts',
    })
  const parts = [...(await openAll(files, folder, (source) => readGguf(source, 'hf'))).values()]
  const tensors = parts.flatMap((part) => part.tensors)
  const close = async () => {
    await Promise.all(parts.map((part) => part.close()))
  }
  const names = new Set<string>()
  const doubled = tensors.find(({ info }) => names.size === names.add(info.name).size)
  if (doubled === undefined) return { ...parts[0], name: `${folder.name}/${files[0]}`, tensors, close }
  await close()
  throw new CheckpointError({
    file: folder.name,
    tensor: doubled.info.name,
    rule: 'a tensor must be in one part',
    got: 'two of them',
  })
}
