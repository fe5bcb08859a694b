/** Sequences whose tokens are scored together: one cache, padded on the right, where nothing that counts looks. */
import { type Tensor, dispose, evaluate, indexSelect, mapTree, scalar, tensor } from '@tarazed/tensor'
import { type CausalModel } from '../causalModel.js'
import { Breather } from '../decoding/breathe.js'
import { type Steps, stepsFor } from '../decoding/steps.js'
import { LogitsError } from '../errors.js'

/** Where nothing is asked. */
export const NO_TARGET = -100

/** How well a row of tokens was predicted. */
export interface ScoredRow {
  /** Nats; 0 where there was no target. */
  readonly costs: Float32Array
  /** The most likely token at every place. */
  readonly best: Int32Array
}

/** A cache that reads chunks and scores them. */
export class ScoreBatch<Cache> {
  readonly #model: CausalModel<Cache>
  readonly #capacity: number
  readonly #breather = new Breather()
  #cache: Cache
  #steps: Steps<Cache>
  #pads: Tensor
  #length = 0

  constructor(model: CausalModel<Cache>, batch: number, capacity: number) {
    this.#model = model
    this.#capacity = capacity
    this.#cache = model.emptyCache({ batch, capacity })
    this.#steps = stepsFor(model, batch, capacity)
    this.#pads = tensor(new Int32Array(batch))
  }

  get length(): number {
    return this.#length
  }

  /** Reads a chunk, of which the first `count` tokens stay; what is behind them is overwritten by the next chunk. */
  async read(ids: readonly (readonly number[])[], count: number): Promise<void> {
    const { fill } = this.#steps
    const { cache } = await fill(this.#model, this.#cache, matrix(ids), this.#start(), this.#pads)
    await this.#advance(cache, count)
  }

  /**
   * Reads a chunk and scores what every token predicts.
   * @throws LogitsError where logits are NaN
   */
  async score(
    ids: readonly (readonly number[])[],
    targets: readonly (readonly number[])[],
    count: number,
  ): Promise<ScoredRow[]> {
    const { score } = this.#steps
    const run = await score(this.#model, this.#cache, matrix(ids), this.#start(), this.#pads, matrix(targets))
    await this.#advance(run.cache, count)
    const [costs, best] = (await Promise.all([run.costs.data(), run.ids.data()])) as [Float32Array, Int32Array]
    dispose([run.costs, run.ids])
    const T = ids[0].length
    return ids.map((_, row) => scoredRow(costs.subarray(row * T, (row + 1) * T), best.subarray(row * T, (row + 1) * T)))
  }

  /** Makes `count` rows of the only one. */
  async repeat(count: number): Promise<void> {
    const before = this.#cache
    const index = tensor(new Int32Array(count))
    this.#cache = mapTree(before, (leaf) => indexSelect(leaf, index, { axis: 0 }))
    await evaluate(this.#cache)
    dispose(before)
    this.#steps = stepsFor(this.#model, count, this.#capacity)
    this.#pads = index
  }

  /** Forgets all but the first `length` tokens. */
  rewind(length: number): void {
    this.#length = length
  }

  close(): void {
    dispose(this.#cache)
  }

  #start(): Tensor {
    return scalar(this.#length, { dtype: 'i32' })
  }

  async #advance(cache: Cache, count: number): Promise<void> {
    this.#cache = cache
    this.#length += count
    await this.#breather.breathe()
  }
}

function matrix(rows: readonly (readonly number[])[]): Tensor {
  return tensor(Int32Array.from(rows.flat()), { shape: [rows.length, rows[0].length] })
}

function scoredRow(costs: Float32Array, best: Int32Array): ScoredRow {
  const broken = costs.findIndex((cost) => Number.isNaN(cost))
  if (broken < 0) return { costs, best }
  throw new LogitsError(
    `scoring: logits must be numbers, got NaN ${broken} tokens into a chunk; look for overflow in the model (checkNumerics names the operator)`,
  )
}
