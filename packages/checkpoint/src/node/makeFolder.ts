/** Folders that are made when they are missing. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkText } from '../arguments.js'

/**
 * Makes a folder and those above it; one that is there already is left as it is. Unlike `mkdir` of Node with `recursive`,
 * which never ends where the system refuses with ENOENT (below /proc, say), this tells the refusal.
 *
 * @throws what the file system says, such as ENOTDIR, EACCES or ENOENT
 */
export async function makeFolder(path: string): Promise<void> {
  checkText('makeFolder: path', path)
  try {
    await mkdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && dirname(path) !== path) {
      await makeFolder(dirname(path))
      await makeIn(path)
    } else if (!(await isFolder(path))) throw error
  }
}

/** Once the folder above is there; somebody else may have been faster. */
async function makeIn(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (!(await isFolder(path))) throw error
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
