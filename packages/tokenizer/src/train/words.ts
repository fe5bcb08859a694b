/**
 * All distinct words in one array of symbols, with a border between them. A token of several symbols stands at its first place; its
 * last place points back to the first, so that both neighbours of a token are found without links.
 */

/** Between words, and at both ends. */
export const BORDER = -1
/** A place inside of a token. */
const INSIDE = -0x80000000

/** The words of a training corpus while they are merged. */
export class Words {
  /** Symbols ≥ 0, {@link BORDER}, or places inside of tokens. */
  readonly symbols: Int32Array
  /** Word of each place. */
  readonly wordOf: Int32Array
  readonly counts: Float64Array

  private constructor(symbols: Int32Array, wordOf: Int32Array, counts: Float64Array) {
    this.symbols = symbols
    this.wordOf = wordOf
    this.counts = counts
  }

  /**
   * @param words bytes of each word with its count; the bytes are read before the next word is asked for
   * @param symbolOfByte symbol of every byte
   */
  static of(words: Iterable<readonly [bytes: Uint8Array, count: number]>, symbolOfByte: Int32Array): Words {
    let symbols = new Int32Array(1 << 16)
    let wordOf = new Int32Array(1 << 16)
    const counts: number[] = []
    let length = 1
    symbols[0] = BORDER
    for (const [bytes, count] of words) {
      if (length + bytes.length + 1 > symbols.length) {
        symbols = grown(symbols, length + bytes.length + 1)
        wordOf = grown(wordOf, length + bytes.length + 1)
      }
      for (const byte of bytes) {
        wordOf[length] = counts.length
        symbols[length++] = symbolOfByte[byte]
      }
      symbols[length++] = BORDER
      counts.push(count)
    }
    return new Words(symbols.slice(0, length), wordOf.slice(0, length), Float64Array.from(counts))
  }

  /** First place of the token before the one at `place`, or -1 at the beginning of a word. */
  before(place: number): number {
    const symbol = this.symbols[place - 1]
    if (symbol >= 0) return place - 1
    return symbol === BORDER ? -1 : -symbol - 2
  }

  /** Makes one token of the tokens at `place` and `second`, which ends before `end`. */
  join(place: number, second: number, end: number, symbol: number): void {
    this.symbols[place] = symbol
    this.symbols[second] = INSIDE
    this.symbols[end - 1] = -place - 2
  }
}

function grown(array: Int32Array, needed: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(needed, Math.ceil(1.5 * array.length)))
  larger.set(array)
  return larger
}
