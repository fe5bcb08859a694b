/** One answer while it grows: draws tokens, turns them into text, and knows when to stop. Knows text, no tensors. */
import { type TokenStream, type Tokenizer } from '@tarazed/tokenizer'
import { type RowOutput } from '../decoding/batch.js'
import { LogitsError } from '../errors.js'
import { distributionOf, drawToken } from '../sampling/distribution.js'
import { type SamplingRules } from '../sampling/rules.js'
import { uniformDraw } from '../sampling/threefry.js'
import { type FinishReason, type GenerationEvent, type GenerationResult } from './events.js'
import { type SequencePlan } from './plan.js'
import { StopMatcher } from './stopMatcher.js'

/** The state of one answer. */
export class Sequence {
  readonly plan: SequencePlan
  readonly #stream: TokenStream | null
  readonly #matcher: StopMatcher
  readonly #stopIds: ReadonlySet<number>
  /** Prompt and answer. */
  readonly #history: number[]
  readonly #probabilities: number[] = []
  #text = ''
  #isAtBeginning = true
  #newTokens = 0
  #ending: Ending | null = null

  constructor(plan: SequencePlan, tokenizer?: Tokenizer) {
    this.plan = plan
    this.#stream = tokenizer?.stream({ skipSpecial: plan.skipSpecial }) ?? null
    this.#matcher = new StopMatcher(plan.stop)
    this.#stopIds = new Set(plan.stopIds)
    this.#history = [...plan.ids]
  }

  get isFinished(): boolean {
    return this.#ending !== null
  }

  /** The newest token: what the model reads next. */
  get lastId(): number {
    return this.#history[this.#history.length - 1]
  }

  /** Whether the arg max of the model's logits is all that it needs, so that rows need not leave the device. */
  get needsOnlyBest(): boolean {
    const { drawsAll, minNewTokens, rules } = this.plan
    return drawsAll && minNewTokens <= this.#newTokens && isPlainArgmax(rules)
  }

  /**
   * Takes the model's output behind `lastId` and gives one more token.
   * @throws LogitsError when nothing can be drawn from it
   */
  take(output: RowOutput): GenerationEvent {
    const { id, probability } = 'id' in output ? checkedBest(output) : this.#draw(output.logits)
    this.#newTokens++
    if (this.#stopIds.has(id)) return this.#event(id, probability, this.#rest(), { reason: 'stop', stoppedBy: id })
    this.#history.push(id)
    this.#probabilities.push(probability)
    const { text, stoppedBy } = this.#matcher.push(this.#stream?.push(id) ?? '')
    if (stoppedBy !== null) return this.#event(id, probability, text, { reason: 'stop', stoppedBy })
    if (this.#newTokens < this.plan.maxNewTokens) return this.#event(id, probability, text, null)
    return this.#event(id, probability, text + this.#rest(), { reason: 'length', stoppedBy: null })
  }

  /** Ends it before its time; what is held back becomes text. */
  abandon(reason: 'abort' | 'error'): GenerationEvent {
    return this.#event(null, null, this.#rest(), { reason, stoppedBy: null })
  }

  #draw(logits: Float32Array): { id: number; probability: number } {
    const { rules, stopIds, minNewTokens, seed, ids, drawable } = this.plan
    const allowed = minNewTokens > this.#newTokens ? { ...rules, forbid: [...(rules.forbid ?? []), ...stopIds] } : rules
    const distribution = distributionOf(logits.subarray(0, drawable), allowed, {
      history: this.#history,
      answerStart: ids.length,
    })
    return drawToken(distribution, uniformDraw(seed, this.#newTokens))
  }

  /** What was held back: bytes of a broken character, and the beginning of a stop string that did not come. */
  #rest(): string {
    const { text, stoppedBy } = this.#matcher.push(this.#stream?.end() ?? '')
    return stoppedBy === null ? text + this.#matcher.flush() : text
  }

  #event(id: number | null, probability: number | null, text: string, ending: Ending | null): GenerationEvent {
    const shown = this.#isAtBeginning && this.plan.dropLeadingSpace && text.startsWith(' ') ? text.slice(1) : text
    if (text !== '') this.#isAtBeginning = false
    this.#text += shown
    this.#ending = ending
    return {
      index: this.plan.index,
      id,
      text: shown,
      ...(this.plan.probabilities && probability !== null ? { probability } : {}),
      finishReason: ending?.reason ?? null,
      ...(ending === null ? {} : { result: this.#result(ending) }),
    }
  }

  #result({ reason, stoppedBy }: Ending): GenerationResult {
    const { index, ids, probabilities } = this.plan
    return {
      index,
      text: this.#text,
      ids: this.#history.slice(ids.length),
      ...(probabilities ? { probabilities: this.#probabilities } : {}),
      finishReason: reason,
      stoppedBy,
      usage: { promptTokens: ids.length, newTokens: this.#newTokens },
    }
  }
}

interface Ending {
  readonly reason: FinishReason
  readonly stoppedBy: string | number | null
}

/** Rules under which the token is the arg max of the model's own logits. */
function isPlainArgmax(rules: SamplingRules): boolean {
  const { temperature, logitBias, repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = rules
  const changes = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0
  const forbids = (rules.noRepeatNgram ?? 0) > 0 || (rules.forbid ?? []).length > 0
  return temperature === 0 && logitBias === undefined && !changes && !forbids
}

/** The arg max that the device took. */
function checkedBest({ id, logit }: { id: number; logit: number }): { id: number; probability: number } {
  if (Number.isFinite(logit)) return { id, probability: 1 }
  throw new LogitsError(
    `generate: the best logit must be a finite number, got ${logit} at token ${id}; look for overflow in the model (checkNumerics names the operator)`,
  )
}
