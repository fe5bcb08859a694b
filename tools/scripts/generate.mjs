// Makes the generated sources (WebAssembly as base64 modules) of every package whose inputs changed since the last time.
// Run it with `npm run generate`; tests and the commands call it by themselves.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Folders (or files) whose bytes decide what a package's `build:wasm` writes into `src/generated`. */
const generators = [{ folder: 'packages/kernels-cpu', inputs: ['assembly', 'scripts'] }]

/** @returns {string[]} the files under `path`, sorted, or `path` itself when it is a file */
function filesUnder(path) {
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesUnder(join(path, name)))
}

function hashOf(generator) {
  const hash = createHash('sha256')
  const compiler = join(root, 'node_modules/assemblyscript/package.json')
  const inputs = generator.inputs.flatMap((input) => filesUnder(join(root, generator.folder, input)))
  for (const file of [compiler, ...inputs]) hash.update(file.slice(root.length)).update('\0').update(readFileSync(file))
  return hash.digest('hex')
}

/** Runs `build:wasm` where the inputs' hash differs from the stamp of the last run. */
export function generate() {
  for (const generator of generators) {
    const folder = join(root, generator.folder)
    if (!existsSync(join(folder, 'scripts/buildWasm.mjs'))) continue
    const generated = join(folder, 'src/generated')
    const stamp = join(generated, '.inputs.sha256')
    const wanted = hashOf(generator)
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) continue
    console.error(`generate: ${generator.folder} (its WebAssembly sources changed)`)
    rmSync(stamp, { force: true })
    const { status } = spawnSync(process.execPath, ['scripts/buildWasm.mjs'], { cwd: folder, stdio: ['ignore', 2, 2] })
    if (status !== 0) throw new Error(`generate: scripts/buildWasm.mjs failed in ${generator.folder} (exit ${status})`)
    mkdirSync(generated, { recursive: true })
    writeFileSync(stamp, wanted)
  }
}

/** Vitest calls this once before the tests of a project. */
export default generate

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    generate()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
