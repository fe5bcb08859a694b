/** When finished sequences leave a batch. */
import { type Batch } from '../decoding/batch.js'
import { type Sequence } from './sequence.js'

/** Steps of a whole batch that finished rows may waste before another program is compiled for the rest. */
const PATIENCE = 16

/**
 * Drops finished rows once half of the batch or more is finished. Sizes are powers of two, so that there are few; a size that was
 * never run costs a compilation, so it waits until finished rows have wasted as much.
 */
export class Compaction {
  #wasted = 0

  /** The rows of the batch from now on. */
  async apply<Cache>(batch: Batch<Cache>, rows: readonly Sequence[]): Promise<readonly Sequence[]> {
    const alive = [...rows.keys()].filter((row) => !rows[row].isFinished)
    this.#wasted += 1 - alive.length / rows.length
    const size = 2 ** Math.ceil(Math.log2(alive.length))
    if (size * 2 > rows.length) return rows
    if (this.#wasted < PATIENCE && !batch.knows(size)) return rows
    const finished = [...rows.keys()].filter((row) => rows[row].isFinished)
    const kept = [...alive, ...finished.slice(0, size - alive.length)] // finished ones fill up to the size
    if (!(await batch.keepRows(kept))) return rows
    this.#wasted = 0
    return kept.map((row) => rows[row])
  }
}
