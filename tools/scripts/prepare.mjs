// What every command does first on a fresh clone: install the dependencies and make the generated sources, only when
// they are missing or stale. Plain Node without dependencies, since nothing is installed yet.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import generate from './generate.mjs'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

const oldestNode = [20, 19]

/** A message for the user about something to fix: printed without a stack trace. */
export class CommandError extends Error {}

/** Installs and generates what is missing, then returns. Progress goes to stderr. */
export function prepare() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1])) {
    throw new CommandError(`Node ${oldestNode.join('.')} or newer is needed, this is ${process.versions.node}`)
  }
  install(root)
  generate()
}

/** Runs `npm ci` in `folder` unless its node_modules holds what its lockfile names. */
export function install(folder) {
  const reason = whyInstall(folder)
  if (reason === undefined) return
  console.error(`npm ci in ${folder} (${reason})`)
  const npm = npmCommand(['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  const { status, error } = spawnSync(npm.file, npm.arguments, {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    shell: npm.shell,
  })
  if (status !== 0) {
    const cause = error?.message ?? `exit ${status}`
    throw new CommandError(`npm ci failed in ${folder} (${cause}); its messages above name the reason`)
  }
}

/**
 * Compares a lockfile with the one that npm leaves in node_modules.
 *
 * @returns {string | undefined} why an installation is needed; undefined when it is not
 */
export function whyInstall(folder) {
  const installedFile = join(folder, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return 'nothing is installed yet'
  const wanted = readPackages(join(folder, 'package-lock.json'))
  const installed = readPackages(installedFile)
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.includes('node_modules/')) continue // the root and the workspaces' own folders
    const found = installed[path]
    if (found === undefined) {
      if (entry.optional || entry.peer || entry.devOptional) continue // left out for another platform
      return `${path} is missing`
    }
    if (found.version !== entry.version || found.integrity !== entry.integrity || found.link !== entry.link) {
      return `${path} differs from the lockfile`
    }
  }
  return undefined
}

function readPackages(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages ?? {}
}

/** npm as a child process: through the npm that runs this script where there is one, else by name. */
function npmCommand(npmArguments) {
  const script = process.env.npm_execpath
  if (script?.endsWith('.js')) return { file: process.execPath, arguments: [script, ...npmArguments], shell: false }
  return { file: 'npm', arguments: npmArguments, shell: process.platform === 'win32' }
}
