import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** @returns {{ folder: string, manifest: any }[]} everything in packages/ and apps/ that is published */
export function publishedPackages() {
  return ['packages', 'apps']
    .map((name) => join(root, name))
    .flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
    .filter(({ manifest }) => manifest.private !== true)
}

/** Import specifiers of a package's code entries, e.g. `@tarazed/nn` and `@tarazed/nn/optim`. */
export function entrySpecifiers({ name, exports }) {
  return Object.keys(exports)
    .filter((key) => !key.endsWith('.json'))
    .map((key) => name + key.slice(1))
}

/** Packs a package into `destination`; @returns the tarball's path */
export function pack(folder, destination) {
  const output = runOrThrow('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', destination], folder)
  const [result] = Object.values(JSON.parse(output))
  return join(destination, result.filename)
}

/** Runs a command in `cwd`; @returns what it printed; @throws Error with its output when it fails */
export function runOrThrow(command, commandArguments, cwd) {
  const result = spawnSync(command, commandArguments, { cwd, encoding: 'utf8', shell: process.platform === 'win32' })
  if (result.status === 0) return result.stdout
  const output = `${result.error?.message ?? ''}${result.stdout ?? ''}${result.stderr ?? ''}`.trim()
  throw new Error(`${command} ${commandArguments.join(' ')} failed in ${cwd} (exit ${result.status}):\n${output}`)
}
