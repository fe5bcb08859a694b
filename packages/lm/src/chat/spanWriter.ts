/** Builds a text out of what a template says and what others said. */
import { type Span } from '@tarazed/tokenizer'

/** Collects spans; neighbours of one kind become one. */
export class SpanWriter {
  readonly #spans: { text: string; template: boolean }[] = []
  #length = 0

  /** UTF-16 units written so far. */
  get length(): number {
    return this.#length
  }

  /** What the template says: special tokens count. */
  template(text: string): void {
    this.#write(text, true)
  }

  /** What somebody said: special tokens are ordinary text. */
  content(text: string): void {
    this.#write(text, false)
  }

  finish(): { text: string; spans: readonly Span[] } {
    return { text: this.#spans.map((span) => span.text).join(''), spans: this.#spans }
  }

  #write(text: string, template: boolean): void {
    if (text === '') return
    this.#length += text.length
    const last = this.#spans[this.#spans.length - 1]
    if (last?.template === template) last.text += text
    else this.#spans.push({ text, template })
  }
}
