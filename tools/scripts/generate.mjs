// Makes the generated sources: WebAssembly as base64 modules, which are not committed. Each script below does nothing
// when its inputs have not changed. Run it with `npm run generate`; tests and the commands call it by themselves.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Scripts that write into `src/generated` of their package. */
const generators = ['packages/kernels-cpu/scripts/buildWasm.mjs']

/** Runs every generator; its messages go to stderr. Vitest calls this once before the tests of a project. */
export default function generate() {
  for (const script of generators) {
    if (!existsSync(join(root, script))) continue
    const { status } = spawnSync(process.execPath, [join(root, script)], { stdio: ['ignore', 2, 2] })
    if (status !== 0) throw new Error(`generate: ${script} failed (exit ${status}); its messages above name the reason`)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    generate()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
