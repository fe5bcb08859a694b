/** One engine measures one bench; prints `RESULT {json}`. Started by `run.ts`. */
import type { EngineOptions, Measure } from './bench.js'

const [module, bench, options] = process.argv.slice(2)
const { measures } = (await import(`./engines/${module}/index.js`)) as { measures: Readonly<Record<string, Measure>> }
const measure = measures[bench]
const result =
  measure === undefined
    ? { '*': { reason: `${module} has no such operation` } }
    : await measure(JSON.parse(options) as EngineOptions)
process.stdout.write(`RESULT ${JSON.stringify(result)}\n`, () => process.exit(0))
