/** The command: arguments in, lines and an exit code out. */
import { parseArguments, USAGE, UsageError } from './arguments.js'
import { findAreas } from './areas.js'
import { openMachine, UnknownBackendError, type Machine } from './backends.js'
import { parseFilter } from './filter.js'
import { progressLine, showCounts, showFailure, showTotal, writeJson } from './report.js'
import { planSelection, runPlan, type Failure, type Plan, type Score } from './run.js'

/**
 * Runs the command and prints to stdout (progress to stderr).
 * @returns the exit code: 0 when nothing failed, 1 when something did or the command line or backend is at fault
 */
export async function goldens(argv: readonly string[], print: (line: string) => void = console.log): Promise<number> {
  try {
    return await runCommand(argv, print)
  } catch (error) {
    if (error instanceof UsageError || error instanceof UnknownBackendError) console.error(error.message)
    else if (error instanceof Error && error.name === 'BackendUnavailableError')
      console.error(`goldens: ${error.message}`)
    else throw error
    return 1
  }
}

async function runCommand(argv: readonly string[], print: (line: string) => void): Promise<number> {
  const options = parseArguments(argv)
  if (options.help) {
    print(USAGE)
    return 0
  }
  const found = findAreas(options.folders)
  const wanted = options.filter === null ? () => true : parseFilter(options.filter)
  const plans = found.selections.map((selection) => planSelection(selection, wanted))
  const left = plans.reduce((count, plan) => count + plan.left.length, 0)
  if (options.filter !== null && left > 0 && plans.every((plan) => plan.cases.length === 0)) {
    console.error(
      `goldens: --filter ${JSON.stringify(options.filter)} matches none of ${left} cases; it is compared with area/op/id, which --list prints`,
    )
    return 1
  }
  if (options.list) return list(plans, found.problems, print)
  const machine = await openMachine(options.backend)
  try {
    const score = await runAll(plans, found.problems, machine, print)
    if (options.filter !== null) print(`filter ${JSON.stringify(options.filter)} leaves out ${left} cases`)
    print(showCounts(machine.name, machine.counts()))
    if (options.json !== null) writeJson(options.json, machine.name, score, machine.counts())
    print(showTotal(score))
    return score.failures.length === 0 ? 0 : 1
  } finally {
    await machine.close()
  }
}

async function runAll(
  plans: readonly Plan[],
  problems: readonly string[],
  machine: Machine,
  print: (line: string) => void,
): Promise<Score> {
  const total = plans.reduce((count, plan) => count + plan.cases.length, 0)
  const progress = progressLine(total)
  const report = (failure: Failure): void => {
    progress.clear()
    print(showFailure(failure))
  }
  const failures: Failure[] = problems.map((message) => ({ area: 'goldens', id: '', op: '', message }))
  failures.forEach(report)
  let passed = 0
  let skipped = 0
  for (const plan of plans) {
    const score = await runPlan(plan, machine, report, progress.step)
    passed += score.passed
    skipped += score.skipped
    failures.push(...score.failures)
  }
  progress.clear()
  return { passed, failures, skipped }
}

/** Ids only: nothing is opened or computed. */
function list(plans: readonly Plan[], problems: readonly string[], print: (line: string) => void): number {
  for (const plan of plans) {
    for (const golden of plan.cases) print(`${plan.selection.area.name}/${golden.op}/${golden.id}`)
    for (const problem of plan.problems) console.error(`${plan.selection.area.name}: ${problem}`)
  }
  for (const problem of problems) console.error(problem)
  return problems.length === 0 && plans.every((plan) => plan.problems.length === 0) ? 0 : 1
}
