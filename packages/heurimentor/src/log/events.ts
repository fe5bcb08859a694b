/**
 * The run log: what happened, one JSON object a line, never changed afterwards. Monitor and reports are pure functions of it.
 */
import { type FilledRunPlan } from '../engine/plan.js'

/** Where a run was when something happened. */
export interface EventPlace {
  /** Updates done. */
  readonly step: number
  /** Samples used up. */
  readonly samples: number
  /** Milliseconds since 1970. */
  readonly time: number
}

/** A run begins, for the first time or again; what the log says of later samples than these is void. */
export interface BeginEvent extends EventPlace {
  readonly kind: 'begin'
  readonly plan: FilledRunPlan
  /** Milliseconds of training so far. */
  readonly trainedMs: number
}

/** The plan changed: its end, say. */
export interface PlanEvent extends EventPlace {
  readonly kind: 'plan'
  readonly plan: FilledRunPlan
}

/** One update. A loss or norm that is not finite is null: JSON has no other word for it. */
export interface StepEvent extends EventPlace {
  readonly kind: 'step'
  readonly batch: number
  readonly loss: number | null
  readonly gradNorm: number | null
  readonly learningRate: number
  readonly skipped: boolean
  readonly lossScale: number | null
  /** Milliseconds of this update. */
  readonly ms: number
}

/** Scores on held-out data. */
export interface ValidationEvent extends EventPlace {
  readonly kind: 'validation'
  readonly domains: readonly ValidationFigures[]
}

/** The score of one domain in the log. */
export interface ValidationFigures {
  readonly name: string
  readonly loss: number | null
  readonly perplexity: number | null
  readonly bitsPerByte: number | null
}

/** A checkpoint is complete on disk. */
export interface SaveEvent extends EventPlace {
  readonly kind: 'save'
  readonly name: string
}

/** The run came to its end, or was stopped. */
export interface EndEvent extends EventPlace {
  readonly kind: 'end'
  readonly reason: 'finished' | 'stopped'
}

/** Everything that a run log can hold. */
export type RunEvent = BeginEvent | PlanEvent | StepEvent | ValidationEvent | SaveEvent | EndEvent

/** Where events go. */
export interface EventLog {
  append(event: RunEvent): void
  /** Resolves when all events so far are safe. */
  flush(): Promise<void>
}

/** The number, or null when it is not finite. */
export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/**
 * The events of a run as it really went: what a run did after its last save before it was killed was done again, or never
 * counted, so a later `begin` voids the events of larger sample counts before it.
 */
export function joinedEvents(events: readonly RunEvent[]): RunEvent[] {
  const kept: RunEvent[] = []
  for (const event of events) {
    if (event.kind === 'begin') while (kept.length > 0 && kept[kept.length - 1].samples > event.samples) kept.pop()
    kept.push(event)
  }
  return kept
}

const NUMBERS = ['step', 'samples', 'time']
const KINDS = ['begin', 'plan', 'step', 'validation', 'save', 'end']

/** One event as a line of the log. */
export function eventLine(event: RunEvent): string {
  return `${JSON.stringify(event)}\n`
}

/**
 * The events of a log's text. The last line is dropped when it was torn by a crash: when it does not end, or is no event.
 *
 * @returns events, and how many characters of the text they take
 * @throws SyntaxError that names the line when any other line is no event
 */
export function parseEvents(text: string): { events: RunEvent[]; length: number } {
  const events: RunEvent[] = []
  let at = 0
  for (let number = 1; at < text.length; number++) {
    const end = text.indexOf('\n', at)
    if (end < 0) break
    const event = parseEvent(text.slice(at, end))
    if (event === undefined) {
      if (end === text.length - 1) break
      throw new SyntaxError(`line ${number} is no event`)
    }
    events.push(event)
    at = end + 1
  }
  return { events, length: at }
}

function parseEvent(line: string): RunEvent | undefined {
  try {
    const event = JSON.parse(line) as Record<string, unknown> | null
    const fits =
      typeof event === 'object' &&
      event !== null &&
      KINDS.includes(event.kind as string) &&
      NUMBERS.every((key) => Number.isFinite(event[key]))
    return fits ? (event as unknown as RunEvent) : undefined
  } catch {
    return undefined
  }
}
