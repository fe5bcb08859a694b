/** Paths as the user writes them, and the folder of a run. */
import { isAbsolute, join, relative, resolve } from 'node:path'
import { Failure } from './failure.js'
import type { Options } from './options.js'
import { holdsRun } from './run.js'

/** Paths are relative to where the user is; npm runs its scripts in the repository's root. */
export function userPath(path: string): string {
  return resolve(process.env.INIT_CWD ?? process.cwd(), path)
}

/** A path as the user would write it. */
export function shownPath(path: string): string {
  const near = relative(process.env.INIT_CWD ?? process.cwd(), path)
  return near === '' ? '.' : near.startsWith('..') || isAbsolute(near) ? path : near
}

/** The command that goes on with a run. */
export function resumeCommand(folder: string): string {
  const path = shownPath(folder)
  return `npm start -- --resume ${/^[\w./-]+$/.test(path) ? path : JSON.stringify(path)}`
}

/**
 * The folder of a run: that of `--resume` or `--out`, else the first free one.
 * @throws Failure when the folder of `--out` holds a run already
 */
export async function folderFor({ resume, out }: Options, repository: string): Promise<string> {
  if (resume !== undefined) return userPath(resume)
  if (out !== undefined) {
    const folder = userPath(out)
    if (await holdsRun(folder)) throw new Failure((say) => say.outInUse(shownPath(folder), resumeCommand(folder)))
    return folder
  }
  for (let k = 1; ; k++) {
    const folder = join(repository, 'runs', k === 1 ? 'start' : `start-${k}`)
    if (!(await holdsRun(folder))) return folder
  }
}
