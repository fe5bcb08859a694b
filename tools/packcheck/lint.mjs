// npm run check:packages: publint and attw on the tarball of every published package. Build first.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { entrySpecifiers, pack, publishedPackages, root, runOrThrow } from './packages.mjs'

const folder = mkdtempSync(join(tmpdir(), 'tarazed-package-lint-'))
let failed = 0
try {
  for (const { folder: packageFolder, manifest } of publishedPackages()) {
    const problems = []
    try {
      const tarball = pack(packageFolder, folder)
      problems.push(...(await publintProblems(tarball)))
      if (entrySpecifiers(manifest).length > 0) problems.push(...attwProblems(tarball))
    } catch (error) {
      problems.push(error.message)
    }
    console.log(problems.length === 0 ? `${manifest.name}: ok` : `${manifest.name}:\n${problems.join('\n')}`)
    failed += problems.length
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed > 0 ? 1 : 0

async function publintProblems(tarball) {
  const bytes = readFileSync(tarball)
  const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(bytes).buffer }, strict: true })
  return messages.map((message) => `publint ${message.type}: ${formatMessage(message, pkg)}`)
}

function attwProblems(tarball) {
  const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  const flags = ['--profile', 'esm-only', '--no-definitely-typed', '--no-color', '--no-emoji', '--format', 'ascii']
  try {
    runOrThrow(process.execPath, [attw, tarball, ...flags], root)
    return []
  } catch (error) {
    return [error.message]
  }
}
