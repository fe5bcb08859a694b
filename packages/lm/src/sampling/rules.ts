/** What sampling may be told, checked once. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { checkTokenIds, show } from '../check.js'

/**
 * In which order the filters run.
 * - `aquila`: top-p, top-k, min-p, typical-p, temperature last, so that the nucleus is taken at temperature 1
 * - `hf`: temperature, top-k, top-p, min-p, typical-p
 * - `aquila1`: as `hf`, with the defaults of Aquila-1
 */
export type SamplingOrder = 'aquila' | 'hf' | 'aquila1'

/** Rules on one row of logits. What is left out is off. */
export interface SamplingRules {
  /** Default `aquila`. */
  readonly order?: SamplingOrder
  /** At least 0; 0 is the arg max, the lowest id among equals. */
  readonly temperature?: number
  /** Tokens to keep, and all that equal the last of them; 0: all. */
  readonly topK?: number
  /** Keeps the smallest set of best tokens whose probability reaches it; 1: all. */
  readonly topP?: number
  /** Keeps tokens with at least this share of the best token's probability; 0: all. */
  readonly minP?: number
  /** Keeps the tokens whose surprise is nearest to the entropy, up to this probability; 1: all. */
  readonly typicalP?: number
  /** Above 0; above 1 makes tokens of prompt and answer less likely. */
  readonly repetitionPenalty?: number
  /** Subtracted from a token's logit for every time it stands in the answer. */
  readonly frequencyPenalty?: number
  /** Subtracted once from the logit of tokens that stand in the answer. */
  readonly presencePenalty?: number
  /** No n tokens in a row twice in prompt and answer; 0: off. */
  readonly noRepeatNgram?: number
  /** Added to logits by token id; -Infinity forbids a token. */
  readonly logitBias?: Readonly<Record<number, number>>
  /** Token ids with probability 0. */
  readonly forbid?: readonly number[]
}

/** The tokens before the one that is drawn. */
export interface TokenHistory {
  readonly history: ArrayLike<number>
  /** Where the answer begins in it: frequencies are counted from there. */
  readonly answerStart: number
}

const ORDERS: readonly SamplingOrder[] = ['aquila', 'hf', 'aquila1']

const NAMES: readonly (keyof SamplingRules)[] = [
  'temperature',
  'topK',
  'topP',
  'order',
  'minP',
  'typicalP',
  'repetitionPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'noRepeatNgram',
  'logitBias',
  'forbid',
]

/** What numbers an option takes, in words and as a test. */
type Range = readonly [words: string, holds: (value: number) => boolean]

const SHARE: Range = ['a number in [0, 1]', (value) => value >= 0 && value <= 1]
const COUNT: Range = ['an integer that is not negative', (value) => Number.isInteger(value) && value >= 0]
const FINITE: Range = ['a finite number', Number.isFinite]

const RANGES = {
  temperature: ['a finite number that is not negative', (value) => value >= 0 && value < Infinity],
  topK: COUNT,
  topP: SHARE,
  minP: SHARE,
  typicalP: ['a number in (0, 1]', (value) => value > 0 && value <= 1],
  repetitionPenalty: ['a finite number above 0', (value) => value > 0 && value < Infinity],
  frequencyPenalty: FINITE,
  presencePenalty: FINITE,
  noRepeatNgram: COUNT,
} satisfies Partial<Record<keyof SamplingRules, Range>>

/**
 * @param op names the function in messages
 * @throws ArgumentError for an unknown rule, a value out of range, or an id that is no token of the vocabulary
 */
export function checkRules(op: string, rules: SamplingRules | undefined, vocabSize: number): SamplingRules {
  const checked = checkOptions(op, rules, NAMES)
  checkRuleValues(op, checked, vocabSize)
  return checked
}

/** As `checkRules`, for rules among other options. */
export function checkRuleValues(op: string, rules: SamplingRules, vocabSize: number): void {
  const { order } = rules
  if (order !== undefined && !ORDERS.includes(order))
    throw new ArgumentError(`${op}: order must be one of ${ORDERS.join(', ')}, got ${show(order)}; choose one of them`)
  for (const name of Object.keys(RANGES) as (keyof typeof RANGES)[]) {
    const [words, holds] = RANGES[name]
    const value = rules[name]
    if (value !== undefined && !(typeof value === 'number' && holds(value)))
      throw new ArgumentError(`${op}: ${name} must be ${words}, got ${show(value)}; leave it out to switch it off`)
  }
  checkBias(op, rules.logitBias, vocabSize)
  if (rules.forbid !== undefined) checkTokenIds(op, 'forbid', rules.forbid, vocabSize)
}

function checkBias(op: string, bias: unknown, vocabSize: number): void {
  if (bias === undefined) return
  if (typeof bias !== 'object' || bias === null || Array.isArray(bias) || bias instanceof Map)
    throw new ArgumentError(
      `${op}: logitBias must be a record of numbers by token id, got ${show(bias)}; write { 42: -5 }`,
    )
  for (const [id, value] of Object.entries(bias)) {
    checkTokenIds(op, 'logitBias', [Number(id)], vocabSize)
    if (typeof value !== 'number' || !(value < Infinity))
      throw new ArgumentError(
        `${op}: a bias must be a number below +Infinity, got ${show(value)} for token ${id}; -Infinity forbids a token`,
      )
  }
}
