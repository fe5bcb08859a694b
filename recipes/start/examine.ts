/** What a model has learned: held-out text, held-out questions, samples; on the screen and in the report. */
import { type Aquila2 } from '@tarazed/aquila2'
import { replaceFile } from '@tarazed/checkpoint/node'
import { type Counters, type TrainResult, scoreDomains } from '@tarazed/heurimentor'
import { readRunLog } from '@tarazed/heurimentor/node'
import { type TextGenerator, createGenerator } from '@tarazed/lm'
import { parameterCount } from '@tarazed/nn'
import { type Tokenizer } from '@tarazed/tokenizer'
import { heldOutQuestions } from '../tinyWorld/tinyWorld.js'
import { LANGUAGES } from '../tinyWorld/words.js'
import { type Corpus, wholeOf } from './corpus.js'
import type { Messages, ModelFacts } from './messages.js'
import { type Params, lossOf } from './model.js'
import type { Options } from './options.js'
import { shownPath } from './paths.js'
import { clockTime } from './progress.js'
import { answerAll, learnNgrams, quizScore } from './quiz.js'
import { type Findings, percent, report } from './report.js'
import type { RunFolder, Settings } from './run.js'
import { writeSamples } from './sample.js'
import { gzipBits } from './score.js'
import { type TokenCorpus } from './tokens.js'

/** Everything that an examination needs. */
export interface Examination {
  readonly model: Aquila2
  readonly trained: TrainResult<Params>
  readonly tokens: TokenCorpus
  readonly corpus: Corpus
  readonly tokenizer: Tokenizer
  readonly settings: Settings
  readonly folder: RunFolder
  readonly options: Options
}

/** Scores and questions a model, lets it write, and writes the report. @param say one line for the screen */
export async function examine(examination: Examination, words: Messages, say: (text: string) => void): Promise<void> {
  const { model, trained, tokens, corpus, tokenizer, settings, folder, options } = examination
  const { counters, params } = trained
  const tokensPerSecond = speed(counters, settings)
  say(words.trained(counters.step, clockTime(counters.trainedMs), Math.round(tokensPerSecond).toString()))
  const scores = await scoreDomains({ params, loss: lossOf(model), validation: tokens.heldOut })
  corpus.domains.forEach(({ name, heldOut }, k) =>
    say(words.score(name, scores[k].bitsPerByte?.toFixed(3) ?? '', gzipBits(heldOut).toFixed(3))),
  )

  const generator = createGenerator({ model, tokenizer, maxBatch: 32 })
  const quiz = corpus.isWorld ? await questioned(examination, generator, words, say) : []
  const request = { prompt: options.prompt, length: options.sample, context: settings.context, seed: settings.seed }
  const samples = await writeSamples(corpus, { generator, tokenizer }, request)
  if (samples.length > 0) say(`\n${words.sampleTitle}\n`)
  for (const { prompt, text } of samples) process.stdout.write(`${prompt}${text}\n\n`)

  const findings: Findings = {
    source: settings.corpus === null ? words.report.world : shownPath(settings.corpus),
    model: factsOf(model),
    steps: counters.step,
    time: clockTime(counters.trainedMs),
    tokensPerSecond,
    events: await readRunLog(folder.log),
    domains: corpus.domains,
    scores,
    quiz,
    samples,
  }
  await replaceFile(folder.report, report(findings, options.lang, words))
}

/** Sizes of a model, for people. */
export function factsOf(model: Aquila2): ModelFacts {
  const { config } = model
  return {
    parameters: parameterCount(model).toLocaleString('en'),
    layers: config.num_hidden_layers,
    width: config.hidden_size,
    context: config.max_position_embeddings,
    vocabulary: config.vocab_size,
  }
}

function speed({ step, trainedMs }: Counters, { batch, context }: Settings): number {
  return (step * batch * context * 1000) / Math.max(1, trainedMs)
}

const QUESTIONS_PER_DOMAIN = 50

/** Held-out questions in both languages, to the model and to a 5-gram model of the same text. */
async function questioned(
  { corpus, tokenizer, settings }: Examination,
  generator: TextGenerator,
  words: Messages,
  say: (text: string) => void,
): Promise<Findings['quiz']> {
  const all = LANGUAGES.map((language) => ({
    language,
    questions: heldOutQuestions(language, { seed: settings.seed, perDomain: QUESTIONS_PER_DOMAIN }),
  }))
  say(`\n${words.asking(all.reduce((sum, { questions }) => sum + questions.length, 0))}`)
  const texts = corpus.domains.flatMap(({ texts }) => texts.map(wholeOf))
  const ngram = learnNgrams(tokenizer, texts)
  const quiz = []
  for (const { language, questions } of all) {
    const answered = await answerAll(questions, { generator, tokenizer, ngram })
    const score = quizScore(answered)
    quiz.push({ language, score, answered })
    say(
      words.quiz({
        language: words.report.languages[language],
        questions: score.model.questions,
        model: percent(score.model),
        ngram: percent(score.ngram),
        constant: percent(score.constant),
        overNgram: score.overNgram.toFixed(1),
        overConstant: score.overConstant.toFixed(1),
      }),
    )
  }
  return quiz
}
