/** Sequences that are decoded together: one cache, padded on the left. Knows tensors, no text. */
import { AllocationError, type Tensor, dispose, evaluate, indexSelect, mapTree, scalar, tensor } from '@tarazed/tensor'
import { type CausalModel } from '../causalModel.js'
import { Breather } from './breathe.js'
import { capacityFor, chunksFor } from './chunks.js'
import { type Steps, hasSteps, stepsFor } from './steps.js'

/** What is wanted of a step: whole rows of logits, or their arg max, which is taken on the device. */
export type Wanted = 'logits' | 'best'

/** Of every row: the logits [V], or the best id and its logit. */
export type RowOutput = { readonly logits: Float32Array } | { readonly id: number; readonly logit: number }

/** What a batch is made for. */
export interface BatchOptions {
  /** Tokens that may follow the prompts. */
  readonly newTokens: number
  /** Token in places that nobody sees. Default 0. */
  readonly padId?: number
}

/** One cache with its rows. Methods are called one after the other; `close` at any time. */
export class Batch<Cache> {
  readonly #model: CausalModel<Cache>
  readonly #prompts: readonly (readonly number[])[]
  readonly #chunks: readonly number[]
  readonly #capacity: number
  readonly #padId: number
  #pads: number[]
  #length = 0
  #cache: Cache
  #steps: Steps<Cache>
  #running: Promise<unknown> = Promise.resolve()
  #isClosed = false
  readonly #breather = new Breather()

  /** @param prompts at least one, each of at least one token */
  constructor(
    model: CausalModel<Cache>,
    prompts: readonly (readonly number[])[],
    { newTokens, padId = 0 }: BatchOptions,
  ) {
    this.#model = model
    this.#prompts = prompts
    this.#padId = padId
    this.#chunks = chunksFor(Math.max(...prompts.map((ids) => ids.length)))
    const total = this.#chunks.reduce((sum, size) => sum + size, 0)
    this.#pads = prompts.map((ids) => total - ids.length)
    this.#capacity = capacityFor(total + newTokens, model.contextLength)
    this.#cache = model.emptyCache({ batch: prompts.length, capacity: this.#capacity })
    this.#steps = stepsFor(model, prompts.length, this.#capacity)
  }

  /** Rows in the batch now. */
  get size(): number {
    return this.#pads.length
  }

  /** Whether batches of this size and capacity were run before: then a smaller batch costs no compilation. */
  knows(size: number): boolean {
    return hasSteps(this.#model, size, this.#capacity)
  }

  /** Reads the prompts. @returns null when the batch was closed meanwhile */
  async prefill(wanted: Wanted): Promise<RowOutput[] | null> {
    const last = this.#chunks.length - 1
    let column = 0
    for (const [k, size] of this.#chunks.entries()) {
      if (this.#isClosed) return null
      const ids = this.#prompts.map((prompt, row) => padded(prompt, column - this.#pads[row], size, this.#padId))
      column += size
      if (k === last) return await this.#forward(ids, wanted)
      await this.#run(ids, this.#steps.fill)
    }
    return null // not reached: there is always a chunk
  }

  /** One more token for every row; at rows that nobody reads, any id. */
  async step(tokens: readonly number[], wanted: Wanted): Promise<RowOutput[]> {
    return await this.#forward(
      tokens.map((id) => [id]),
      wanted,
    )
  }

  /**
   * Drops all rows but these, so that steps cost less. Where memory does not allow a second cache for a moment, nothing changes.
   * @returns whether it was done
   */
  async keepRows(rows: readonly number[]): Promise<boolean> {
    const index = tensor(Int32Array.from(rows))
    const before = this.#cache
    const kept = mapTree(before, (leaf) => indexSelect(leaf, index, { axis: 0 }))
    try {
      await this.#track(evaluate(kept))
    } catch (error) {
      dispose(kept)
      if (error instanceof AllocationError) return false
      throw error
    }
    this.#cache = kept
    dispose(before)
    this.#pads = rows.map((row) => this.#pads[row])
    this.#steps = stepsFor(this.#model, rows.length, this.#capacity)
    return true
  }

  /** Frees the cache, after a run that is still under way. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#running
    dispose(this.#cache)
  }

  async #forward(ids: readonly (readonly number[])[], wanted: Wanted): Promise<RowOutput[]> {
    if (wanted === 'logits') {
      const { logits } = await this.#run(ids, this.#steps.logits)
      const values = (await logits.data()) as Float32Array // [B,V]
      dispose(logits)
      const size = values.length / ids.length
      return ids.map((_, row) => ({ logits: values.subarray(row * size, (row + 1) * size) }))
    }
    const best = await this.#run(ids, this.#steps.best)
    const [chosen, values] = await Promise.all([best.ids.data(), best.values.data()])
    dispose([best.ids, best.values])
    return ids.map((_, row) => ({ id: chosen[row], logit: values[row] }))
  }

  /** Runs a step and takes over the cache that it returns. */
  async #run<R extends { readonly cache: Cache }>(
    ids: readonly (readonly number[])[],
    step: (model: CausalModel<Cache>, cache: Cache, ids: Tensor, start: Tensor, pads: Tensor) => Promise<R>,
  ): Promise<R> {
    const T = ids[0].length
    const tokens = tensor(Int32Array.from(ids.flat()), { shape: [ids.length, T] })
    const start = scalar(this.#length, { dtype: 'i32' })
    const run = step(this.#model, this.#cache, tokens, start, tensor(Int32Array.from(this.#pads)))
    const taken = run.then((result) => {
      this.#cache = result.cache
      this.#length += T
      return result
    })
    await this.#track(taken)
    await this.#breather.breathe()
    return taken
  }

  /** Lets `close` wait for it. */
  #track<T>(run: Promise<T>): Promise<T> {
    this.#running = run.catch(() => undefined)
    return run
  }
}

/** `size` ids from `begin` on, which may lie before the first one. */
function padded(ids: readonly number[], begin: number, size: number, padId: number): number[] {
  return Array.from({ length: size }, (_, k) => (begin + k < 0 ? padId : ids[begin + k]))
}
