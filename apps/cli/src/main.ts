/** The command `tarazed`. */
import { readFileSync } from 'node:fs'
import { commands } from './commands.js'
import { describeError } from './failure.js'
import { requestedLanguage } from './language.js'
import { runCommandLine } from './run.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const controller = new AbortController()

/** The first Ctrl-C asks for an end, the second one makes it. */
function interrupt(): void {
  if (controller.signal.aborted) process.exit(130)
  controller.abort()
}
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt)

// A reader that went away (`tarazed … | head`) ends the work as Ctrl-C does: what can be saved is saved.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return controller.abort()
    if (stream === process.stdout)
      process.stderr.write(`${describeError(error, requestedLanguage(process.argv, process.env)).text}\n`)
    process.exit(1)
  })
}

process.exitCode = await runCommandLine(commands, process.argv.slice(2), {
  env: process.env,
  out: process.stdout,
  err: process.stderr,
  input: process.stdin,
  signal: controller.signal,
  now: () => performance.now(),
  folder: process.env.INIT_CWD ?? process.cwd(),
  version,
})
// What was written must be out, or its failure known.
await new Promise<void>((resolve) => process.stdout.write('', () => setImmediate(resolve)))
// Nothing is left to do: an open handle (a terminal that was read from) must not keep the process.
process.exit()
