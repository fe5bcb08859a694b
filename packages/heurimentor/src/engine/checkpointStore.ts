/** Where a run is kept. `@tarazed/heurimentor/node` keeps it on disk; a page may keep it anywhere else. */
import { type Snapshot } from './snapshot.js'

/** What a store is told of a snapshot besides the snapshot. */
export interface SaveOptions {
  /** Lower is better, as a held-out loss; the best ones are kept when others are removed. */
  readonly score?: number
}

/** Keeps snapshots. */
export interface CheckpointStore {
  /**
   * Keeps a snapshot, whole or not at all.
   * @returns its name
   */
  save(snapshot: Snapshot, options?: SaveOptions): Promise<string>
  /** The newest complete snapshot; undefined when there is none. */
  latest(): Promise<Snapshot | undefined>
}
