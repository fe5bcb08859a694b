/** Text into words for a unigram model, with blanks made visible. */

/** A word as the model sees it, and the way back to the text. */
export interface Word {
  readonly text: string
  /** Where a unit of the word begins in the text. */
  start(at: number): number
  /** The unit of the text after what ends at a unit of the word. */
  end(at: number): number
}

/** The words of a part of a text. */
export type WordSplitter = (text: string, from: number, to: number, first: boolean) => Iterable<Word>

/** How `Metaspace` of tokenizer.json works. */
export interface MetaspaceOptions {
  readonly replacement: string
  /** Whether a blank goes before text that has none: always, at the beginning only, or never. */
  readonly prepend: 'always' | 'first' | 'never'
  /** Whether every blank begins a word. */
  readonly split: boolean
}

/** A part of a text, which is not yet a word. */
interface Part {
  readonly from: number
  readonly to: number
}

/** Words by `WhitespaceSplit` (when asked for), then `Metaspace` (where there is one). */
export function wordSplitter(atSpaces: boolean, metaspace: MetaspaceOptions | undefined): WordSplitter {
  return function* (text, from, to, first) {
    const parts = atSpaces ? partsBetweenSpaces(text, from, to) : [{ from, to }]
    for (const part of parts) {
      const visible = text.slice(part.from, part.to)
      if (metaspace === undefined) yield wordAt(visible, part.from, 0)
      else yield* metaspaceWords(visible, part.from, first && part.from === from, metaspace)
    }
  }
}

function* partsBetweenSpaces(text: string, from: number, to: number): Generator<Part> {
  const part = text.slice(from, to)
  for (const { index, 0: word } of part.matchAll(/\P{White_Space}+/gu))
    yield { from: from + index, to: from + index + word.length }
}

function* metaspaceWords(text: string, from: number, first: boolean, options: MetaspaceOptions): Generator<Word> {
  const { replacement, prepend, split } = options
  const visible = text.replaceAll(' ', replacement)
  const wanted = prepend === 'always' || (prepend === 'first' && first)
  const added = wanted && !visible.startsWith(replacement) ? replacement.length : 0
  const whole = added > 0 ? replacement + visible : visible
  if (!split || replacement === '') return yield wordAt(whole, from, added)
  for (let at = 0; at < whole.length;) {
    const next = whole.indexOf(replacement, at + replacement.length)
    const end = next < 0 ? whole.length : next
    yield wordAt(whole.slice(at, end), from + Math.max(0, at - added), at === 0 ? added : 0)
    at = end
  }
}

/** A word whose first `added` units are not in the text. */
function wordAt(text: string, from: number, added: number): Word {
  const original = (at: number): number => from + Math.max(0, at - added)
  return { text, start: original, end: original }
}
