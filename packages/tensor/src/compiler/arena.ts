/** Offsets in one block of scratch memory, handed out while the schedule is walked: best fit, neighbours merged. */
export class Arena {
  readonly #alignment: number
  /** Free ranges below `#end`, by offset. */
  readonly #free: { offset: number; bytes: number }[] = []
  #end = 0
  #peak = 0

  constructor(alignment: number) {
    this.#alignment = alignment
  }

  /** Bytes that hold everything that was ever allocated at once. */
  get peak(): number {
    return this.#peak
  }

  allocate(bytes: number): number {
    const size = this.#rounded(bytes)
    let best = -1
    this.#free.forEach((range, k) => {
      if (range.bytes >= size && (best < 0 || range.bytes < this.#free[best].bytes)) best = k
    })
    if (best >= 0) {
      const range = this.#free[best]
      const offset = range.offset
      if (range.bytes === size) this.#free.splice(best, 1)
      else {
        range.offset += size
        range.bytes -= size
      }
      return offset
    }
    const last = this.#free[this.#free.length - 1]
    // The last free range touches the end, so it grows rather than being left as a hole.
    const offset = last !== undefined && last.offset + last.bytes === this.#end ? last.offset : this.#end
    if (offset !== this.#end) this.#free.pop()
    this.#end = offset + size
    this.#peak = Math.max(this.#peak, this.#end)
    return offset
  }

  release(offset: number, bytes: number): void {
    const size = this.#rounded(bytes)
    let k = 0
    while (k < this.#free.length && this.#free[k].offset < offset) k++
    this.#free.splice(k, 0, { offset, bytes: size })
    this.#mergeAt(k)
    if (k > 0) this.#mergeAt(k - 1)
  }

  #mergeAt(k: number): void {
    const range = this.#free[k]
    const next = this.#free[k + 1]
    if (next === undefined || range.offset + range.bytes !== next.offset) return
    range.bytes += next.bytes
    this.#free.splice(k + 1, 1)
  }

  #rounded(bytes: number): number {
    return Math.max(1, Math.ceil(bytes / this.#alignment)) * this.#alignment
  }
}
