/** Runs the cases of areas and keeps the score. */
import { AreaFiles, dataFilesOf, type Source } from './areaFiles.js'
import { isSelected, type Selection } from './areas.js'
import { type Machine } from './backends.js'
import { type GoldenCase } from './case.js'
import { kindOf } from './kinds.js'

export interface Failure {
  readonly area: string
  /** Empty for failures of an area rather than of a case. */
  readonly id: string
  readonly op: string
  readonly message: string
}

export interface Score {
  readonly passed: number
  readonly failures: readonly Failure[]
  readonly skipped: number
}

/** A selection with its cases, or with why they cannot be had. */
export interface Plan {
  readonly selection: Selection
  readonly files: AreaFiles
  readonly cases: readonly GoldenCase[]
  /** Cases of the selection that the filter left out. */
  readonly left: readonly GoldenCase[]
  readonly problems: readonly string[]
}

/** Lists the cases of a selection. A kind without runner fails once for each data file it would have read. */
export function planSelection(selection: Selection, wanted: (name: string) => boolean): Plan {
  const { area } = selection
  const files = new AreaFiles(area)
  const nothing = { selection, files, cases: [], left: [] }
  const kind = kindOf(area)
  if (typeof kind === 'string') return { ...nothing, problems: withoutRunner(selection, kind) }
  try {
    const all = kind.cases(area, files).filter((golden) => belongs(golden, selection))
    const problems = all.length === 0 ? [`no case has a file under ${selection.below?.join(' ') ?? 'this area'}`] : []
    const isWanted = (golden: GoldenCase): boolean => wanted(`${area.name}/${golden.op}/${golden.id}`)
    return { selection, files, cases: all.filter(isWanted), left: all.filter((golden) => !isWanted(golden)), problems }
  } catch (cause) {
    return { ...nothing, problems: [`index.json cannot be read: ${oneLine(cause)}`] }
  }
}

function withoutRunner(selection: Selection, reason: string): string[] {
  return [reason, ...dataFilesOf(selection).map((file) => `${file}: no case read this file`)]
}

/** In a part of an area only the cases that have a file there count. */
function belongs(golden: GoldenCase, selection: Selection): boolean {
  return selection.below === null || golden.sources.some((source) => isSelected(selection, source.file))
}

/** Runs a plan. `report` is told of every failure as it happens, `progress` of every case. */
export async function runPlan(
  plan: Plan,
  machine: Machine,
  report: (failure: Failure) => void,
  progress: (golden: GoldenCase) => void,
): Promise<Score> {
  const failures: Failure[] = []
  const fail = (message: string, golden?: GoldenCase): void => {
    const failure = { area: plan.selection.area.name, id: golden?.id ?? '', op: golden?.op ?? '', message }
    failures.push(failure)
    report(failure)
  }
  plan.problems.forEach((problem) => fail(problem))
  const excused: Source[] = plan.left.flatMap((golden) => golden.sources)
  let passed = 0
  for (const golden of plan.cases) {
    progress(golden)
    const message = await verdict(golden, plan.files, machine)
    if (message === null) passed++
    else {
      fail(message, golden)
      excused.push(...golden.sources)
    }
  }
  if (plan.problems.length === 0) reportUnread(plan, excused, fail)
  return { passed, failures, skipped: plan.left.length }
}

async function verdict(golden: GoldenCase, files: AreaFiles, machine: Machine): Promise<string | null> {
  try {
    return await golden.run({ machine, files })
  } catch (cause) {
    return oneLine(cause)
  }
}

function reportUnread(plan: Plan, excused: readonly Source[], fail: (message: string) => void): void {
  const sources = [...plan.cases, ...plan.left].flatMap((golden) => golden.sources)
  try {
    plan.files.unread(plan.selection, sources, excused).forEach((line) => fail(line))
  } catch (cause) {
    fail(oneLine(cause))
  }
}

/** An error as one line, with its causes. */
export function oneLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const text = `${error.name}: ${error.message}`.replace(/\s+/g, ' ')
  return error.cause === undefined ? text : `${text} [${oneLine(error.cause)}]`
}
