/** The command line. */
import { parseArgs } from 'node:util'

export const USAGE = `npm run goldens -- DIR… [--backend cpu|webgpu|cuda|reference] [--filter 'a,!b'] [--list] [--json FILE]

Runs every reference case under the folders through the public API; the last line is "N passed, N failed".
  DIR        a folder with a goldens.json, a folder or file inside one, or a folder with several below it
  --backend  what computes; cpu when it is not given. No other is loaded
  --filter   comma-separated parts of area/op/id; with ! in front: left out. What is left out is counted as skipped
  --list     prints the ids of the cases and runs none
  --json     writes the figures and failures to a file`

export interface Arguments {
  readonly folders: readonly string[]
  readonly backend: string
  readonly filter: string | null
  readonly list: boolean
  readonly json: string | null
  readonly help: boolean
}

/** The command line cannot be understood; the message says what to change. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** @throws UsageError */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parse(argv)
  if (positionals.length === 0 && !values.help)
    throw new UsageError('goldens: name at least one folder, for example npm run goldens -- ../shared/goldens/tensor')
  return {
    folders: positionals,
    backend: values.backend ?? 'cpu',
    filter: values.filter ?? null,
    list: values.list ?? false,
    json: values.json ?? null,
    help: values.help ?? false,
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        backend: { type: 'string' },
        filter: { type: 'string' },
        list: { type: 'boolean' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (cause) {
    throw new UsageError(`goldens: ${(cause as Error).message}\n\n${USAGE}`, { cause })
  }
}
