/** What a model writes. */
import { type TextGenerator } from '@tarazed/lm'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type Corpus } from './corpus.js'
import { Failure } from './failure.js'
import { promptIds } from './quiz.js'

/** A prompt and how the model went on. */
export interface Sample {
  readonly name: string
  readonly prompt: string
  readonly text: string
}

/** What is to be written. */
export interface SampleRequest {
  /** The user's prompt; without one there is one of every language or domain. */
  readonly prompt: string | undefined
  /** Tokens. */
  readonly length: number
  readonly context: number
  readonly seed: number
}

/** Ways into the tiny world. */
const WORLD_PROMPTS: readonly (readonly [name: string, prompt: string])[] = [
  ['English', 'One sunny day, '],
  ['中文', '在一个下雨的日子，'],
  ['Python', 'bag = ['],
]

/**
 * Writes after each prompt, or from the beginning of a document.
 * @throws Failure when the user's prompt does not fit into the context
 */
export async function writeSamples(
  corpus: Corpus,
  { generator, tokenizer }: { generator: TextGenerator; tokenizer: Tokenizer },
  { prompt, length, context, seed }: SampleRequest,
): Promise<Sample[]> {
  const prompts = prompt !== undefined ? [['', prompt] as const] : corpus.isWorld ? WORLD_PROMPTS : beginnings(corpus)
  const ids = prompts.map(([, text]) => promptIds(tokenizer, text))
  const longest = Math.max(...ids.map((list) => list.length))
  if (longest >= context) throw new Failure((say) => say.longPrompt(longest, context - 1))
  const room = Math.max(0, Math.min(length, context - longest))
  if (room === 0) return []
  const written = await generator.complete(ids, { maxNewTokens: room, order: 'hf', temperature: 0.8, topP: 0.95, seed })
  return prompts.map(([name, prompt], k) => ({ name, prompt, text: readable(written[k].text) }))
}

/** The first line of what was held out of each domain, a few at most. */
function beginnings({ domains }: Corpus): (readonly [string, string])[] {
  return domains.slice(0, 4).map(({ name, heldOut }) => [name, firstLine(heldOut[0])] as const)
}

function firstLine(text: string): string {
  const line = text.split('\n').find((candidate) => candidate.trim() !== '') ?? ''
  return `${[...line].slice(0, 40).join('')}\n`
}

/** Text for a terminal: control characters do not pass. */
export function readable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd')
}
