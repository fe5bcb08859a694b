#!/usr/bin/env node
// In an installed package this runs the built program. In a checkout it installs what is missing, as every command
// there does, and runs the sources; their import condition can only be given to a new process.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const prepareScript = new URL('../../../tools/scripts/tarazed.mjs', import.meta.url)

if (existsSync(prepareScript)) {
  const child = spawn(
    process.execPath,
    ['--conditions=@tarazed/source', fileURLToPath(prepareScript), ...process.argv.slice(2)],
    { stdio: 'inherit' },
  )
  // A terminal sends Ctrl-C to both; what other programs send is passed on.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
} else {
  await import('../dist/main.js')
}
