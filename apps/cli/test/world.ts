/** A world in memory, for tests of command lines. */
import { Readable } from 'node:stream'
import type { Command } from '../src/command.js'
import { commands as all } from '../src/commands.js'
import { runCommandLine } from '../src/run.js'

/** What a command line wrote and ended with. */
export interface Outcome {
  readonly exit: number
  readonly out: string
  readonly err: string
}

/** Runs a command line as a process would. */
export async function tarazed(
  args: readonly string[],
  {
    commands = all,
    env = {},
    input = '',
    signal = new AbortController().signal,
    folder = process.cwd(),
  }: {
    readonly commands?: readonly Command[]
    readonly env?: Readonly<Record<string, string>>
    readonly input?: string
    readonly signal?: AbortSignal
    readonly folder?: string
  } = {},
): Promise<Outcome> {
  let [out, err] = ['', '']
  const exit = await runCommandLine(commands, args, {
    env,
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    input: Readable.from([input]),
    signal,
    now: () => performance.now(),
    folder,
    version: '1.2.3',
  })
  return { exit, out, err }
}
