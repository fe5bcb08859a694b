/** npm run bench -- NAME… [--json FILE] [--repeats N]: see `--help`. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { benches } from './benches/index.js'
import { runBench } from './run.js'
import { formatResult } from './table.js'

const HELP = `npm run bench -- NAME… [--json FILE] [--repeats N] [--quick]

Measures Tarazed beside its peers, each in a process of its own, and prints ratios and shares of the
machine's measured ceiling. Nothing here is a test: figures depend on the machine and on what else it does.

${Object.values(benches)
  .map((bench) => `  ${bench.name.padEnd(14)} ${bench.about}`)
  .join('\n')}
  all            every one of them

  --json FILE    also write { name, machine, rows } (a list of them for several names)
  --repeats N    measure every engine N times and keep the best (default 2)
  --quick        time every case for 0.1 s only, to see whether everything runs
`

const QUICK_MS = 100

const { values, positionals } = readArguments()
const names = positionals.includes('all') ? Object.keys(benches) : positionals
const unknown = names.filter((name) => benches[name] === undefined)
const repeats = Number(values.repeats)
if (values.help === true || names.length === 0) {
  console.log(HELP)
  process.exit(values.help === true ? 0 : 2)
}
if (unknown.length > 0 || !Number.isInteger(repeats) || repeats < 1) {
  console.error(
    unknown.length > 0
      ? `bench: no bench is called ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`
      : 'bench: --repeats must be a positive integer',
  )
  process.exit(2)
}

const results = []
for (const name of names) {
  const result = await runBench(benches[name], {
    repeats,
    budgetMs: values.quick === true ? QUICK_MS : undefined,
    progress: (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`),
  })
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  console.log(formatResult(result))
  results.push(result)
}
if (values.json !== undefined)
  await writeFile(values.json, `${JSON.stringify(results.length === 1 ? results[0] : results, null, 2)}\n`)

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'string' },
        repeats: { type: 'string', default: '2' },
        quick: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(2)
  }
}
