/** The core of scoring: log-probabilities of the tokens of sequences, in batches of like length, contexts read once. */
import { type CausalModel } from '../causalModel.js'
import { capacityFor, chunksFor } from '../decoding/chunks.js'
import { type Planned, byPlannedModel, partsOf } from '../decoding/planned.js'
import { NO_TARGET, ScoreBatch, type ScoredRow } from './scoreBatch.js'

/** Tokens of which those from `from` (at least 1) on are scored. */
export interface SequenceToScore {
  readonly ids: readonly number[]
  readonly from: number
}

/** The scored tokens of one sequence. */
export interface TokenScores {
  /** Natural logarithms of their probabilities given all tokens before. */
  readonly logProbabilities: readonly number[]
  /** Whether each was the most likely one. */
  readonly isBest: readonly boolean[]
}

/** How sequences are run. */
export interface ScoreOptions {
  /** Sequences at once, at most. */
  readonly batchSize: number
  readonly signal?: AbortSignal
  /** Told after every batch how many sequences are done. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Logits of one step, 4 bytes each, stay below 128 MiB. */
const MOST_LOGITS = 2 ** 25
const LARGEST_CHUNK = 256
/** Contexts from this length on are read once for all sequences that begin with them. */
const SHARED_FROM = 32

/** Scores in the order of the sequences. @throws LogitsError, the signal's reason, and what a backend throws */
export async function scoreSequences<Cache>(
  model: CausalModel<Cache>,
  sequences: readonly SequenceToScore[],
  options: ScoreOptions,
): Promise<TokenScores[]> {
  const rows = Math.max(1, Math.floor(MOST_LOGITS / (LARGEST_CHUNK * model.vocabSize)))
  const batchSize = Math.min(options.batchSize, rows)
  const scores = new Array<TokenScores>(sequences.length)
  let done = 0
  for (const group of groupsOf(model, sequences, batchSize)) {
    const collected = group.members.map(() => new Collected())
    await scoreGroup(group, batchSize, collected, options.signal)
    group.members.forEach(({ index }, k) => (scores[index] = collected[k].scores()))
    done += group.members.length
    options.onProgress?.(done, sequences.length)
  }
  return scores
}

interface Member extends SequenceToScore {
  readonly index: number
}

/** Sequences of one run. All begin with the same `shared` tokens; with shared tokens there may be more than a batch holds. */
interface Group<Cache> {
  readonly model: CausalModel<Cache>
  readonly members: readonly Member[]
  readonly shared: number
}

function groupsOf<Cache>(
  model: CausalModel<Cache>,
  sequences: readonly SequenceToScore[],
  batchSize: number,
): Group<Cache>[] {
  const byContext = new Map<string, Member[]>()
  sequences.forEach((sequence, index) => {
    const { ids, from } = sequence
    // The last token of a context predicts the first one behind it, so every row reads it itself.
    const key = from > SHARED_FROM ? ids.slice(0, from - 1).join(' ') : `alone ${index}`
    byContext.set(key, [...(byContext.get(key) ?? []), { ...sequence, index }])
  })
  const all = [...byContext.values()]
  const shared = all.filter((members) => members.length > 1).flatMap((members) => plannedGroups(model, members))
  const alone = plannedGroups(model, all.filter((members) => members.length === 1).flat())
  return [
    ...shared.map((group) => ({ model: group.model, members: group.items, shared: group.items[0].from - 1 })),
    ...alone.flatMap((group) => {
      const sorted = group.items.sort((a, b) => b.ids.length - a.ids.length)
      return partsOf(sorted, batchSize).map((members) => ({ model: group.model, members, shared: 0 }))
    }),
  ]
}

function plannedGroups<Cache>(model: CausalModel<Cache>, members: readonly Member[]): Planned<Cache, Member>[] {
  return byPlannedModel(model, members, ({ ids }) => ids.length)
}

async function scoreGroup<Cache>(
  { model, members, shared }: Group<Cache>,
  batchSize: number,
  collected: readonly Collected[],
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted()
  const rows = Math.min(batchSize, members.length)
  const tails = members.map(({ ids, from }) => ({ ids: ids.slice(shared), from: from - shared }))
  const tail = sum(chunksFor(longestInput(tails)))
  const context = sum(chunksFor(shared))
  const capacity = capacityFor(Math.max(context, shared + tail), model.contextLength)
  const batch = new ScoreBatch(model, shared === 0 ? rows : 1, capacity)
  try {
    if (shared > 0) {
      await readContext(batch, members[0].ids.slice(0, shared), signal)
      await batch.repeat(rows)
    }
    for (let first = 0; first < members.length; first += rows) {
      batch.rewind(shared)
      const part = tails.slice(first, first + rows)
      await scoreRows(batch, part, rows, collected.slice(first, first + rows), signal)
    }
  } finally {
    batch.close()
  }
}

async function readContext<Cache>(
  batch: ScoreBatch<Cache>,
  ids: readonly number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let at = 0
  for (const size of chunksFor(ids.length)) {
    signal?.throwIfAborted()
    await batch.read([chunkOf(ids, at, size, 0)], Math.min(size, ids.length - at))
    at += size
  }
}

/** Reads rows side by side; a chunk in which nobody is scored computes no logits. */
async function scoreRows<Cache>(
  batch: ScoreBatch<Cache>,
  sequences: readonly SequenceToScore[],
  rows: number,
  collected: readonly Collected[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const inputs = sequences.map(({ ids }) => ids.slice(0, -1))
  const targets = sequences.map(({ ids, from }) => ids.slice(1).map((id, at) => (at + 1 < from ? NO_TARGET : id)))
  // Rows without a sequence repeat nothing that counts.
  while (inputs.length < rows) {
    inputs.push([])
    targets.push([])
  }
  let at = 0
  for (const size of chunksFor(longestInput(sequences))) {
    signal?.throwIfAborted()
    const ids = inputs.map((input) => chunkOf(input, at, size, 0))
    const wanted = targets.map((target) => chunkOf(target, at, size, NO_TARGET))
    at += size
    if (wanted.every((row) => row.every((target) => target === NO_TARGET))) {
      await batch.read(ids, size)
      continue
    }
    const scored = await batch.score(ids, wanted, size)
    collected.forEach((each, row) => each.add(scored[row], wanted[row]))
  }
}

/** The last token predicts nothing that is asked for. */
function longestInput(sequences: readonly SequenceToScore[]): number {
  return Math.max(...sequences.map(({ ids }) => ids.length - 1))
}

function chunkOf(ids: readonly number[], begin: number, size: number, filler: number): number[] {
  return Array.from({ length: size }, (_, k) => ids[begin + k] ?? filler)
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total + size, 0)
}

/** The scores of one sequence, chunk by chunk. */
class Collected {
  readonly #logProbabilities: number[] = []
  readonly #isBest: boolean[] = []

  add({ costs, best }: ScoredRow, targets: readonly number[]): void {
    targets.forEach((target, at) => {
      if (target === NO_TARGET) return
      this.#logProbabilities.push(-costs[at])
      this.#isBest.push(best[at] === target)
    })
  }

  scores(): TokenScores {
    return { logProbabilities: this.#logProbabilities, isBest: this.#isBest }
  }
}
