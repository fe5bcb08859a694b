/** The command `tarazed`. */
import { readFileSync } from 'node:fs'
import { commands } from './commands.js'
import { runCommandLine } from './run.js'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

/** The first Ctrl-C asks for an end, the second one makes it. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, interrupt)
  return controller.signal
}

// A reader that went away (`tarazed … | head`) is no error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

process.exitCode = await runCommandLine(commands, process.argv.slice(2), {
  env: process.env,
  out: process.stdout,
  err: process.stderr,
  input: process.stdin,
  signal: interruptSignal(),
  now: () => performance.now(),
  folder: process.env.INIT_CWD ?? process.cwd(),
  version,
})
// Nothing is left to do: an open handle (a terminal that was read from) must not keep the process.
process.exit()
