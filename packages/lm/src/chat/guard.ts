/** Keeps special tokens in messages away from a template's text. */
import { type SpanWriter } from './spanWriter.js'

/** First of 6,400 characters without a meaning (Unicode private use). */
const PRIVATE = 0xe000

/**
 * Replaces special tokens in strings by marks that no text contains, and puts them back as content. Hidden too are pieces at
 * either end of a string that could make a special token together with what stands beside it.
 */
export class Guard {
  readonly #special: readonly string[]
  readonly #open: string
  readonly #close: string
  readonly #hidden: string[] = []

  /** @param texts everything in which the marks must not occur */
  constructor(special: readonly string[], texts: readonly string[]) {
    this.#special = special.filter((token) => token !== '').sort((a, b) => b.length - a.length)
    const free: string[] = []
    for (let code = PRIVATE; free.length < 2; code++) {
      const char = String.fromCharCode(code)
      if (texts.every((text) => !text.includes(char))) free.push(char)
    }
    ;[this.#open, this.#close] = free
  }

  /** Whether nothing had to be hidden. */
  get isIdle(): boolean {
    return this.#hidden.length === 0
  }

  /** What was hidden. */
  get found(): readonly string[] {
    return [...new Set(this.#hidden)]
  }

  /** A copy of a value in which every string is safe. Keys stay. */
  hide(value: unknown): unknown {
    if (typeof value === 'string') return this.#hideText(value)
    if (Array.isArray(value)) return value.map((each) => this.hide(each))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.hide(each)]))
  }

  /** Writes a text with marks: what they hide becomes content, the rest is the template's. */
  write(text: string, writer: SpanWriter): void {
    text.split(this.#open).forEach((part, k) => {
      const end = k === 0 ? -1 : part.indexOf(this.#close)
      if (end >= 0) writer.content(this.#hidden[Number(part.slice(0, end))] ?? '')
      writer.template(part.slice(end + 1))
    })
  }

  #hideText(text: string): string {
    const core = text.trim() // templates often trim: what stands beside their text then is the trimmed end
    if (core === '') return text
    const begin = text.indexOf(core)
    return text.slice(0, begin) + this.#hideCore(core) + text.slice(begin + core.length)
  }

  #hideCore(text: string): string {
    let at = this.#longest(text, (token, length) => text.startsWith(token.slice(token.length - length)))
    let safe = at === 0 ? '' : this.#mark(text.slice(0, at))
    while (at < text.length) {
      const token = this.#special.find((candidate) => text.startsWith(candidate, at))
      safe += token === undefined ? text[at] : this.#mark(token)
      at += token?.length ?? 1
    }
    const end = this.#longest(safe, (token, length) => safe.endsWith(token.slice(0, length)))
    return end === 0 ? safe : safe.slice(0, safe.length - end) + this.#mark(safe.slice(safe.length - end))
  }

  /** The longest part of a special token, but not all of it, for which a test holds. */
  #longest(text: string, holds: (token: string, length: number) => boolean): number {
    let longest = 0
    for (const token of this.#special)
      for (let length = Math.min(token.length - 1, text.length); length > longest; length--)
        if (holds(token, length)) longest = length
    return longest
  }

  #mark(hidden: string): string {
    this.#hidden.push(hidden)
    return `${this.#open}${this.#hidden.length - 1}${this.#close}`
  }
}
