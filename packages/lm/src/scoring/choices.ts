/** Which of a few tokens comes next: the rule of CMMLU. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type CausalModel } from '../causalModel.js'
import { Batch } from '../decoding/batch.js'
import { byPlannedModel, partsOf } from '../decoding/planned.js'
import { LogitsError, PromptError } from '../errors.js'
import { checkTokenIds, show } from '../check.js'
import { SCORING_OPTIONS, type ScoringOptions, checkScoring, checkedIds, requireFits, requireText } from './options.js'

/** The logits of the choices behind one prompt. */
export interface ChoiceScores {
  /** In the order of the choices. */
  readonly logits: readonly number[]
  /** Place of the largest in the list of choices, the first among equals. */
  readonly best: number
}

/**
 * Logits of given tokens at the last position of each prompt. Nothing is put before the prompts.
 *
 * @param prompts text or ids
 * @param choices token ids, or texts of one token each, such as `['A', 'B', 'C', 'D']`
 * @throws ArgumentError for a choice that is not one token, PromptError, ContextLengthError, LogitsError, the signal's
 * reason
 * @source FlagAI-Open/Aquila2, eval/cmmlu.py
 */
export async function scoreChoices<Cache>(
  model: CausalModel<Cache>,
  prompts: readonly (string | ArrayLike<number>)[],
  choices: readonly (string | number)[],
  options: ScoringOptions = {},
): Promise<ChoiceScores[]> {
  const op = 'scoreChoices'
  const checked = checkOptions(op, options, SCORING_OPTIONS)
  const batchSize = checkScoring(op, model, checked)
  const { tokenizer, signal, onProgress } = checked
  if (!Array.isArray(prompts))
    throw new ArgumentError(`${op}: prompts must be a list, got ${show(prompts)}; write [prompt]`)
  const wanted = choiceIds(op, choices, tokenizer, model.vocabSize)
  const rows = (prompts as readonly (string | ArrayLike<number>)[]).map((prompt, index) => ({
    ids: promptIds(op, prompt, index, tokenizer, model),
    index,
  }))
  const scores = new Array<ChoiceScores>(rows.length)
  let done = 0
  for (const group of byPlannedModel(model, rows, ({ ids }) => ids.length)) {
    const sorted = group.items.sort((a, b) => b.ids.length - a.ids.length)
    for (const part of partsOf(sorted, batchSize)) {
      signal?.throwIfAborted()
      const logits = await lastLogits(
        group.model,
        part.map(({ ids }) => ids),
      )
      part.forEach(({ index }, row) => (scores[index] = scoresOf(logits[row], wanted)))
      onProgress?.((done += part.length), rows.length)
    }
  }
  return scores
}

function choiceIds(op: string, choices: unknown, tokenizer: Tokenizer | undefined, vocabSize: number): number[] {
  if (!Array.isArray(choices) || choices.length === 0)
    throw new ArgumentError(`${op}: choices must be a list of tokens, got ${show(choices)}; write ['A', 'B']`)
  const ids = choices.map((choice: unknown) => {
    if (typeof choice !== 'string') return choice as number
    const encoded = requireText(op, tokenizer, 0).encode(choice)
    if (encoded.length === 1) return encoded[0]
    throw new ArgumentError(
      `${op}: a choice must be one token, got ${show(choice)} with ${encoded.length}; compare longer ones with logLikelihood`,
    )
  })
  checkTokenIds(op, 'choices', ids, vocabSize)
  return ids
}

function promptIds(
  op: string,
  prompt: unknown,
  index: number,
  tokenizer: Tokenizer | undefined,
  { vocabSize, contextLength }: CausalModel<unknown>,
): number[] {
  const ids =
    typeof prompt === 'string'
      ? requireText(op, tokenizer, index).encode(prompt)
      : checkedIds(op, prompt, index, vocabSize)
  if (ids.length === 0) throw new PromptError(`${op}: prompt ${index} must have at least one token, got none`, index)
  requireFits(op, ids.length, index, contextLength)
  return ids
}

async function lastLogits<Cache>(model: CausalModel<Cache>, prompts: readonly number[][]): Promise<Float32Array[]> {
  const batch = new Batch(model, prompts, { newTokens: 0 })
  try {
    const outputs = await batch.prefill('logits')
    return (outputs ?? []).flatMap((output) => ('logits' in output ? output.logits : []))
  } finally {
    await batch.close()
  }
}

function scoresOf(row: Float32Array, wanted: readonly number[]): ChoiceScores {
  const logits = wanted.map((id) => row[id])
  const broken = logits.findIndex((logit) => Number.isNaN(logit))
  if (broken >= 0)
    throw new LogitsError(
      `scoreChoices: logits must be numbers, got NaN for choice ${broken}; look for overflow in the model (checkNumerics names the operator)`,
    )
  return { logits, best: logits.indexOf(Math.max(...logits)) }
}
