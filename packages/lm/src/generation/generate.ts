/** Runs plans in batches and tells what happens. */
import { type Tokenizer } from '@tarazed/tokenizer'
import { type CausalModel } from '../causalModel.js'
import { Batch, type RowOutput, type Wanted } from '../decoding/batch.js'
import { byPlannedModel, partsOf } from '../decoding/planned.js'
import { unlessAborted } from './abort.js'
import { Compaction } from './compaction.js'
import { type GenerationEvent } from './events.js'
import { type SequencePlan } from './plan.js'
import { Sequence } from './sequence.js'

/** What plans are run with. */
export interface RunOptions {
  readonly tokenizer?: Tokenizer
  /** Sequences that are decoded together. */
  readonly maxBatch: number
  readonly signal?: AbortSignal
}

/** Events of all plans, batch after batch. Errors are thrown after the last events of the sequences that they end. */
export async function* runPlans<Cache>(
  model: CausalModel<Cache>,
  plans: readonly SequencePlan[],
  options: RunOptions,
): AsyncGenerator<GenerationEvent, void, undefined> {
  options.signal?.throwIfAborted()
  const groups = groupPlans(model, plans, options.maxBatch)
  for (const [k, group] of groups.entries()) {
    const sequences = group.plans.map((plan) => new Sequence(plan, options.tokenizer))
    try {
      yield* runGroup(group.model, sequences, options)
    } catch (error) {
      const reason = options.signal?.aborted === true ? 'abort' : 'error'
      const waiting = groups.slice(k + 1).flatMap(({ plans }) => plans.map((plan) => new Sequence(plan)))
      const unfinished = [...sequences, ...waiting].filter((sequence) => !sequence.isFinished)
      yield* byIndex(unfinished.map((sequence) => sequence.abandon(reason)))
      throw error
    }
  }
}

interface Group<Cache> {
  readonly model: CausalModel<Cache>
  readonly plans: readonly SequencePlan[]
}

/** Plans that share a model, longest prompts first: little is padded, and memory is short at once or never. */
function groupPlans<Cache>(
  model: CausalModel<Cache>,
  plans: readonly SequencePlan[],
  maxBatch: number,
): Group<Cache>[] {
  const planned = byPlannedModel(model, plans, ({ ids, maxNewTokens }) => ids.length + maxNewTokens)
  return planned.flatMap((group) => {
    const sorted = group.items.sort((a, b) => b.ids.length - a.ids.length)
    return partsOf(sorted, maxBatch).map((part) => ({ model: group.model, plans: part }))
  })
}

async function* runGroup<Cache>(
  model: CausalModel<Cache>,
  sequences: readonly Sequence[],
  { signal }: RunOptions,
): AsyncGenerator<GenerationEvent, void, undefined> {
  const newTokens = Math.max(...sequences.map(({ plan }) => plan.maxNewTokens))
  const batch = new Batch(
    model,
    sequences.map(({ plan }) => plan.ids),
    { newTokens },
  )
  const failures: unknown[] = []
  const compaction = new Compaction()
  let rows = sequences
  try {
    let running = batch.prefill(wantedBy(rows))
    for (;;) {
      const outputs = await unlessAborted(running, signal)
      if (outputs === null) return
      const events = takeAll(rows, outputs, failures)
      const goesOn = rows.some((sequence) => !sequence.isFinished)
      if (goesOn) {
        rows = await compaction.apply(batch, rows)
        // The device works on the next token while the caller looks at this one.
        running = batch.step(
          rows.map((sequence) => sequence.lastId),
          wantedBy(rows),
        )
        running.catch(() => undefined)
      }
      yield* events
      if (!goesOn) break
    }
  } finally {
    const closing = batch.close()
    // Whoever aborts does not wait for the step under way; its memory is freed when it ends.
    if (signal?.aborted !== true) await closing
  }
  if (failures.length > 0) throw failures[0]
}

function wantedBy(rows: readonly Sequence[]): Wanted {
  return rows.every((sequence) => sequence.isFinished || sequence.needsOnlyBest) ? 'best' : 'logits'
}

/** One token for every row that is not finished. A row from which nothing can be drawn ends alone. */
function takeAll(rows: readonly Sequence[], outputs: readonly RowOutput[], failures: unknown[]): GenerationEvent[] {
  const events: GenerationEvent[] = []
  for (const [row, sequence] of rows.entries()) {
    if (sequence.isFinished) continue
    try {
      events.push(sequence.take(outputs[row]))
    } catch (error) {
      failures.push(error)
      events.push(sequence.abandon('error'))
    }
  }
  return byIndex(events)
}

function byIndex(events: GenerationEvent[]): GenerationEvent[] {
  return events.sort((a, b) => a.index - b.index)
}
