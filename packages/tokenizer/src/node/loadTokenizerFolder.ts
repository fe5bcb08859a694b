import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { shown, TokenizerError } from '../errors.js'
import { loadTokenizer, type LoadOptions } from '../load/loadTokenizer.js'
import { type Tokenizer } from '../tokenizer.js'

/**
 * The tokenizer whose files are in a folder of the disk; see `loadTokenizer`.
 * @throws TokenizerError when there is none, or a file of it is broken; the system's error for files that cannot be read
 */
export async function loadTokenizerFolder(path: string, options: LoadOptions = {}): Promise<Tokenizer> {
  if (typeof path !== 'string')
    throw new TokenizerError(`loadTokenizerFolder: path must be a string, got ${shown(path)}`)
  return loadTokenizer({ readText: (name) => readIfThere(join(path, name)) }, options)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
