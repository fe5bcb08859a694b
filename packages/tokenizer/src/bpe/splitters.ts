/** Text into pieces as `pre_tokenizer` of a tokenizer.json says, for files whose pattern is not that of GPT-2. */
import { SplitPreTokenizer } from '@huggingface/tokenizers'
import { shown, TokenizerError } from '../errors.js'
import { nextPiece } from '../gpt2Split.js'

/** Start and end of every piece of a part of a text, in order. */
export type Splitter = (text: string, from: number, to: number) => Iterable<readonly [number, number]>

/** The pieces of GPT-2. */
export const gpt2Splitter: Splitter = function* (text, from, to) {
  for (let at = from; at < to;) {
    const end = nextPiece(text, at, to)
    yield [at, end]
    at = end
  }
}

/** Nothing is split. */
export const noSplitter: Splitter = (_text, from, to) => (from < to ? [[from, to]] : [])

/** One splitter after another, each on the pieces of the one before. */
export function splitterOf(splitters: readonly Splitter[]): Splitter {
  const [first = noSplitter, ...rest] = splitters
  return rest.reduce(chained, first)
}

function chained(first: Splitter, second: Splitter): Splitter {
  return function* (text, from, to) {
    for (const [start, end] of first(text, from, to)) yield* second(text, start, end)
  }
}

/** What happens to the matches of a pattern: they are pieces beside the rest, they go, or they are all that stays. */
export type SplitBehavior = 'isolated' | 'removed' | 'kept'

/** A splitter by a regular expression (flags g and u); it sees nothing but the part that it splits. */
export function patternSplitter(pattern: RegExp, behavior: SplitBehavior): Splitter {
  return function* (text, from, to) {
    const part = text.slice(from, to)
    let done = 0
    for (const match of part.matchAll(pattern)) {
      const end = match.index + match[0].length
      if (end === match.index) continue
      if (match.index > done && behavior !== 'kept') yield [from + done, from + match.index]
      if (behavior !== 'removed') yield [from + match.index, from + end]
      done = end
    }
    if (done < part.length && behavior !== 'kept') yield [from + done, to]
  }
}

/**
 * A `Split` entry of tokenizer.json.
 * @throws TokenizerError for a pattern or a behaviour that cannot be had
 */
export function splitterOfConfig(config: Readonly<Record<string, unknown>>, file: string): Splitter {
  return patternSplitter(patternOf(config.pattern, file), behaviorOf(config, file))
}

/**
 * A pattern of tokenizer.json, `{ "Regex": … }` or `{ "String": … }`. The library translates it from Oniguruma's dialect.
 * @throws TokenizerError for what is no pattern, or none that JavaScript can run
 */
export function patternOf(pattern: unknown, file: string): RegExp {
  const { Regex: regex, String: text } = (pattern ?? {}) as Readonly<Record<string, unknown>>
  if (typeof regex !== 'string' && typeof text !== 'string')
    throw new TokenizerError(`${file}: a pattern must have a string Regex or String, got ${shown(pattern)}`, { file })
  try {
    // The library's types of configurations are not exported; it reads `pattern` and `invert` alone here.
    const split = new SplitPreTokenizer({ type: 'Split', pattern, invert: true } as never) as { pattern: RegExp | null }
    if (split.pattern instanceof RegExp) return split.pattern
    throw new TypeError('the library makes no pattern of it')
  } catch (cause) {
    throw new TokenizerError(
      `${file}: the pattern ${shown(regex ?? text)} cannot be run in JavaScript: ${(cause as Error).message}`,
      { file, kind: 'unsupported', cause },
    )
  }
}

function behaviorOf({ behavior, invert }: Readonly<Record<string, unknown>>, file: string): SplitBehavior {
  const name = typeof behavior === 'string' ? behavior.toLowerCase() : 'isolated'
  if (name === 'isolated') return 'isolated'
  if (name === 'removed') return invert === true ? 'kept' : 'removed'
  throw new TokenizerError(`${file}: a Split pre_tokenizer must be Isolated or Removed here, got ${shown(behavior)}`, {
    file,
    kind: 'unsupported',
  })
}
