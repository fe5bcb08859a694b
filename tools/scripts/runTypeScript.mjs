import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { CommandError, prepare, root } from './prepare.mjs'

/**
 * Prepares the checkout, then runs a TypeScript program of the repository in this very process, so that Ctrl-C, exit
 * codes and the terminal are the program's own. `@tarazed/*` imports resolve to sources when Node was started with
 * `--conditions=@tarazed/source`, as the scripts of package.json do.
 *
 * @param {string} program path from the root, e.g. `recipes/start.ts`
 * @param {{ before?: () => void }} options `before` runs after the preparation
 */
export async function runTypeScript(program, { before } = {}) {
  try {
    prepare()
    before?.()
    if (!existsSync(join(root, program))) throw new CommandError(`${program} is not in this checkout`)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    console.error(error instanceof CommandError ? error.message : error.stack)
    process.exit(1)
  }
  const { register } = await import('tsx/esm/api')
  register()
  process.setSourceMapsEnabled(true)
  process.argv[1] = join(root, program)
  await import(pathToFileURL(process.argv[1]).href)
}
