/** One engine makes one measurement; prints `RESULT {json}`. Started by `run.ts`. */
import type { EngineOptions, Measure } from './bench.js'
import { limitBudget } from './timing.js'

interface ChildOptions extends EngineOptions {
  readonly budgetMs?: number
}

const [module, name, json] = process.argv.slice(2)
const { budgetMs, ...options } = JSON.parse(json) as ChildOptions
if (budgetMs !== undefined) limitBudget(budgetMs)
const { measures } = (await import(`./engines/${module}/index.js`)) as { measures: Readonly<Record<string, Measure>> }
// Users run JavaScript without source maps; with them every call site of a trace is looked up.
process.setSourceMapsEnabled(false)
const measure = measures[name]
const result =
  measure === undefined ? { '*': { reason: `${module} has no measurement for it` } } : await measure(options)
process.stdout.write(`\nRESULT ${JSON.stringify(result)}\n`, () => process.exit(0))
