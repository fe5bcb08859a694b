/** Where encoders put their ids, with the place of each in the text when that is asked for. */
export class IdSink {
  ids = new Int32Array(64)
  length = 0
  /** First UTF-16 unit of each token; without offsets empty. */
  starts: Int32Array
  /** Unit after each token. */
  ends: Int32Array
  readonly withOffsets: boolean

  constructor(withOffsets: boolean) {
    this.withOffsets = withOffsets
    this.starts = new Int32Array(withOffsets ? 64 : 0)
    this.ends = new Int32Array(withOffsets ? 64 : 0)
  }

  /** Forgets everything but the memory. */
  clear(): void {
    this.length = 0
  }

  push(id: number, start: number, end: number): void {
    if (this.length === this.ids.length) this.reserve(1)
    if (this.withOffsets) {
      this.starts[this.length] = start
      this.ends[this.length] = end
    }
    this.ids[this.length++] = id
  }

  /** Several ids without offsets. */
  append(source: Int32Array, from: number, count: number): void {
    const length = this.length
    if (length + count > this.ids.length) this.reserve(count)
    const ids = this.ids
    for (let k = 0; k < count; k++) ids[length + k] = source[from + k]
    this.length = length + count
  }

  /** Makes room for so many more. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.ids.length) return
    const size = Math.max(needed, 2 * this.ids.length)
    this.ids = grown(this.ids, size)
    if (!this.withOffsets) return
    this.starts = grown(this.starts, size)
    this.ends = grown(this.ends, size)
  }

  /** Replaces the offsets of the tokens from `first` on: they were those of another form of the text. */
  remap(first: number, start: (at: number) => number, end: (at: number) => number): void {
    if (!this.withOffsets) return
    for (let k = first; k < this.length; k++) {
      this.starts[k] = start(this.starts[k])
      this.ends[k] = end(this.ends[k])
    }
  }
}

/** The used part of a sink's array as plain numbers. */
export function plain(values: Int32Array, length: number): number[] {
  const copy = new Array<number>(length)
  for (let k = 0; k < length; k++) copy[k] = values[k]
  return copy
}

function grown(array: Int32Array, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size)
  larger.set(array)
  return larger
}
