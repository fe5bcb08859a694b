/** Where batches come from: an endless sequence of samples that depends on nothing but itself. */

/**
 * An endless sequence of samples, each a pure function of its number: so a resumed run sees the batches that it would have
 * seen, whatever its batch sizes were. `Batch` is a tree of tensors whose leading axis counts samples.
 */
export interface SampleSource<Batch> {
  /** Equal for equal data in equal order. A run is resumed only with the data that it was saved with. */
  readonly fingerprint: string
  /** Samples `from` … `from + count - 1`. */
  batch(from: number, count: number): Batch | Promise<Batch>
}

/** Held-out data of one domain: the same batches every time, in the same order. */
export interface ValidationSet<Batch> {
  /** The domain, as reports call it. */
  readonly name: string
  /** How many batches there are. */
  readonly batches: number
  batch(index: number): Batch | Promise<Batch>
  /** Length in bytes of the text that is predicted; with it, the loss is told in bits per byte too. */
  readonly bytes?: number
}
