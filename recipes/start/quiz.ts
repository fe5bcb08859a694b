/** Held-out questions, answered: by the model, by a 5-gram model, and by the best constant answer. */
import { type TextGenerator } from '@tarazed/lm'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type Domain, prompt } from '../tinyWorld/document.js'
import { type HeldOutQuestion } from '../tinyWorld/tinyWorld.js'
import { NgramModel } from './ngram.js'
import { END } from './tokens.js'

/** A question with everybody's answers. */
export interface Answered {
  readonly domain: Domain
  readonly prompt: string
  readonly right: string
  readonly model: string
  readonly ngram: string
}

const LONGEST_ANSWER = 12

/** What is given to a model: the end of another document, then the prompt; as it has read it in training. */
export function promptIds(tokenizer: Tokenizer, text: string): number[] {
  return [tokenizer.tokenToId(END) as number, ...tokenizer.encode(text, { allowSpecial: false })]
}

/** Everybody's answers: the likeliest tokens up to the end of the line. */
export async function answerAll(
  questions: readonly HeldOutQuestion[],
  { generator, tokenizer, ngram }: { generator: TextGenerator; tokenizer: Tokenizer; ngram: NgramModel },
): Promise<Answered[]> {
  const prompts = questions.map(({ document, question }) => prompt(document, question))
  const ids = prompts.map((text) => promptIds(tokenizer, text))
  const results = await generator.complete(ids, { temperature: 0, maxNewTokens: LONGEST_ANSWER, stop: ['\n'] })
  const ends = (id: number) => id === ids[0][0] || tokenizer.decode([id]).includes('\n')
  return questions.map(({ document, question }, k) => ({
    domain: document.domain,
    prompt: prompts[k],
    right: question.answer,
    model: results[k].text.trim(),
    ngram: tokenizer.decode(ngram.continue(ids[k], { most: LONGEST_ANSWER, ends })).trim(),
  }))
}

/** A 5-gram model of the tokens that the model has learned from. */
export function learnNgrams(tokenizer: Tokenizer, texts: Iterable<string>): NgramModel {
  const ngram = new NgramModel(tokenizer.vocabSize)
  for (const text of texts) ngram.add([...promptIds(tokenizer, text), tokenizer.tokenToId(END) as number])
  return ngram
}

/** How often somebody is right. */
export interface Accuracy {
  readonly questions: number
  /** From 0 to 1. */
  readonly share: number
  /** Standard error of the share. */
  readonly error: number
}

/** One language's scores. */
export interface QuizScore {
  readonly model: Accuracy
  readonly ngram: Accuracy
  readonly constant: Accuracy
  /** The best constant answer: of all questions, the commonest right one. */
  readonly constantAnswer: string
  /** By how many standard errors of the difference the model is better, question by question. */
  readonly overNgram: number
  readonly overConstant: number
  readonly byDomain: readonly { readonly domain: Domain; readonly model: Accuracy; readonly ngram: Accuracy }[]
}

/** Scores the answers to some questions. */
export function quizScore(answered: readonly Answered[]): QuizScore {
  const constantAnswer = commonest(answered.map(({ right }) => right))
  const model = answered.map((one) => Number(one.model === one.right))
  const ngram = answered.map((one) => Number(one.ngram === one.right))
  const constant = answered.map((one) => Number(constantAnswer === one.right))
  const domains = [...new Set(answered.map(({ domain }) => domain))]
  return {
    model: accuracy(model),
    ngram: accuracy(ngram),
    constant: accuracy(constant),
    constantAnswer,
    overNgram: margin(model, ngram),
    overConstant: margin(model, constant),
    byDomain: domains.map((domain) => {
      const own = (points: readonly number[]) => points.filter((_, k) => answered[k].domain === domain)
      return { domain, model: accuracy(own(model)), ngram: accuracy(own(ngram)) }
    }),
  }
}

function commonest(texts: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0]
}

function accuracy(points: readonly number[]): Accuracy {
  const share = mean(points)
  return { questions: points.length, share, error: Math.sqrt((share * (1 - share)) / points.length) }
}

/** Mean difference over its standard error; both answered the same questions, so the differences are what varies. */
function margin(better: readonly number[], worse: readonly number[]): number {
  const differences = better.map((point, k) => point - worse[k])
  const centre = mean(differences)
  const variance = mean(differences.map((difference) => (difference - centre) ** 2))
  // without any spread the error is at least that of one question
  const error = Math.max(Math.sqrt(variance / differences.length), 1 / differences.length)
  return centre / error
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
