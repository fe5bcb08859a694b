/** A folder of files, wherever it is: the one thing that loaders of models take. */
import { checkObject, checkText } from './arguments.js'
import { ArgumentError, CheckpointError, shown } from './errors.js'
import { bytesSource, type ByteSource } from './source.js'

/** A folder of files: on a disk, in memory, behind an address, in a repository of the hub. */
export interface Folder {
  /** For messages. */
  readonly name: string
  /** Names of the files in the folder, sorted; where files of folders inside are listed, their names have `/`. */
  list(): Promise<readonly string[]>
  /** @throws CheckpointError when there is no such file */
  open(file: string): Promise<ByteSource>
  /**
   * A file as text, undefined when there is no such file.
   * @throws CheckpointError when it is there but cannot be read or is not UTF-8
   */
  readText(file: string): Promise<string | undefined>
}

/** A folder of files that are already in memory, by name. */
export function memoryFolder(name: string, files: Readonly<Record<string, Uint8Array | string>>): Folder {
  checkText('memoryFolder: name', name)
  checkObject('memoryFolder: files', files)
  const contents = new Map(Object.entries(files).map(([file, content]) => [file, contentBytes(file, content)]))
  return {
    name,
    async list() {
      return [...contents.keys()].sort()
    },
    async open(file) {
      const bytes = contents.get(checkFileName(name, file))
      if (bytes === undefined) throw missingFile(name, file)
      return bytesSource(`${name}/${file}`, bytes)
    },
    async readText(file) {
      const bytes = contents.get(checkFileName(name, file))
      return bytes === undefined ? undefined : decodeText(`${name}/${file}`, bytes)
    },
  }
}

function contentBytes(file: string, content: unknown): Uint8Array {
  if (typeof content === 'string') return new TextEncoder().encode(content)
  if (content instanceof Uint8Array) return content
  throw new ArgumentError(`memoryFolder: file ${shown(file)} must be a Uint8Array or a string, got ${shown(content)}`)
}

/**
 * A name that stays within its folder. Index files name shards, so names come from outside.
 * @returns the name
 * @throws CheckpointError for absolute names, `..`, backslashes and control characters
 */
export function checkFileName(folder: string, file: unknown): string {
  const isPlain =
    typeof file === 'string' &&
    file !== '' &&
    !/[\\:\u0000-\u001f]/.test(file) &&
    file.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (isPlain) return file
  throw new CheckpointError({
    file: folder,
    rule: 'a file name must be relative and stay within its folder',
    got: shown(file),
    wayOut: 'if an index file names it, do not trust that checkpoint',
  })
}

/** The error for a file that is not there. */
export function missingFile(folder: string, file: string): CheckpointError {
  return new CheckpointError({
    file: `${folder}/${file}`,
    rule: 'the file must exist',
    got: 'no such file',
    wayOut: 'a download may be incomplete: get the file again',
  })
}

/** Bytes as text. @throws CheckpointError unless they are UTF-8 */
export function decodeText(file: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new CheckpointError({ file, rule: 'the file must be text in UTF-8', got: 'other bytes', cause })
  }
}
