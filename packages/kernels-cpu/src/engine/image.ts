/** Words of a loaded program, laid out before their address is known. */
export class Image {
  readonly #words: number[] = []
  readonly #addresses: number[] = []

  get bytes(): number {
    return 4 * this.#words.length
  }

  /** Reserves words; returns their byte offset in the image. */
  reserve(words: number, alignment = 4): number {
    while ((4 * this.#words.length) % alignment !== 0) this.#words.push(0)
    const offset = 4 * this.#words.length
    for (let k = 0; k < words; k++) this.#words.push(0)
    return offset
  }

  set(offset: number, value: number): void {
    this.#words[offset >> 2] = value | 0
  }

  /** A word that holds the address of another place of the image. */
  setAddress(offset: number, target: number): void {
    this.#words[offset >> 2] = target
    this.#addresses.push(offset >> 2)
  }

  /** The words as they are at address `base`. */
  placeAt(base: number): Int32Array {
    const words = Int32Array.from(this.#words)
    for (const position of this.#addresses) words[position] = (words[position] + base) | 0
    return words
  }
}
