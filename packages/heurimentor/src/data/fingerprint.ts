/** Short hashes of data: a resumed run must find the data that it was saved with. */

/** Hashes bytes and words into 64 bits; not cryptographic: it finds accidents, not attacks. */
export class Fingerprint {
  #low = 0x811c9dc5
  #high = 0x9747b28c

  /** Adds a whole number below 2^53. */
  number(value: number): this {
    return this.#word(value >>> 0).#word(Math.floor(value / 2 ** 32))
  }

  /** Adds a text. */
  text(value: string): this {
    for (let k = 0; k < value.length; k++) this.#word(value.charCodeAt(k))
    return this.#word(value.length)
  }

  /** Adds an array of numbers: integers exactly, others as 32-bit floats. */
  numbers(values: Int32Array | Uint32Array | Float32Array): this {
    const words = new Uint32Array(values.buffer, values.byteOffset, values.length)
    for (let k = 0; k < words.length; k++) this.#word(words[k])
    return this.#word(words.length)
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  #word(word: number): this {
    this.#low = Math.imul(this.#low ^ word, 0x01000193)
    this.#low ^= this.#low >>> 15
    this.#high = Math.imul(this.#high ^ word ^ this.#low, 0x5bd1e995)
    this.#high ^= this.#high >>> 13
    return this
  }
}
