/**
 * npm start: from text to a small bilingual language model that answers.
 *
 * text → tokenizer → sequences of tokens → Aquila2 trained by HeuriMentor → held-out questions → a checkpoint folder and a report.
 * Every part is one file in `start/`; the default text is made in `tinyWorld/`. Read this file first.
 */
import { isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Aquila2 } from '@tarazed/aquila2'
import { savePretrained } from '@tarazed/aquila2/node'
import { diskFolder, replaceFile } from '@tarazed/checkpoint/node'
import { type Counters, type DomainScore, type TrainResult, scoreDomains, train } from '@tarazed/heurimentor'
import { openRunLog, readRunLog } from '@tarazed/heurimentor/node'
import { openCpu } from '@tarazed/kernels-cpu'
import { createGenerator } from '@tarazed/lm'
import { parameterCount, parameters } from '@tarazed/nn'
import { random, setDefaultBackend } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type Corpus, bytesOf, fileCorpus, learnedBytes, wholeOf } from './start/corpus.js'
import { Failure, describeFailure } from './start/failure.js'
import type { Messages, ModelFacts } from './start/messages.js'
import { type Params, lossOf, modelConfig, runOptimizer } from './start/model.js'
import { type Options, readOptions, requestedLanguage } from './start/options.js'
import { createPace, leftMs, planEnd } from './start/pace.js'
import { byteSize, clockTime, createProgress } from './start/progress.js'
import { answerAll, learnNgrams, quizScore } from './start/quiz.js'
import { percent, report } from './start/report.js'
import {
  type RunFolder,
  type SavedRun,
  type Settings,
  holdsRun,
  loadRun,
  newSettings,
  planOf,
  runFolder,
  runLength,
  writeTokenizer,
} from './start/run.js'
import { writeSamples } from './start/sample.js'
import { gzipBits } from './start/score.js'
import { messagesIn } from './start/speak.js'
import { MAX_CORPUS_BYTES } from './start/textFiles.js'
import { type TokenCorpus, learnTokenizer, tokenCorpus } from './start/tokens.js'
import { worldCorpus } from './start/worldCorpus.js'
import { heldOutQuestions } from './tinyWorld/tinyWorld.js'
import { LANGUAGES } from './tinyWorld/words.js'

const repository = fileURLToPath(new URL('../', import.meta.url))
const say = (text: string) => process.stderr.write(`${text}\n`)

async function main(options: Options, words: Messages): Promise<number> {
  // 1. An engine. Every tensor lives there.
  const backend = await openCpu({ threads: options.threads })
  setDefaultBackend(backend)
  try {
    say(words.engine(backend))
    return await learnAndAnswer(options, words)
  } finally {
    await backend.close()
  }
}

async function learnAndAnswer(options: Options, words: Messages): Promise<number> {
  // 2. A folder, and the run in it if it goes on with one.
  const folder = runFolder(await folderPath(options, words), (reason) => say(words.olderUsed(reason)))
  const saved = options.resume === undefined ? undefined : await loadRun(folder)

  // 3. Text, and a tokenizer that knows its words.
  const wanted = saved?.settings ?? newSettings(options, options.corpus === undefined ? null : userPath(options.corpus))
  const corpus = await readCorpus(wanted, words)
  const settings: Settings = { ...wanted, sha256: corpus.sha256 }
  if (saved !== undefined) checkSameText(saved, corpus, words)
  const tokenizer = saved?.tokenizer ?? (await newTokenizer(corpus, settings, folder))
  const { context: length, batch: rows, seed } = settings
  const tokens = tokenCorpus(corpus, tokenizer, { length, rows, seed })

  // 4. A model with random weights.
  const model = Aquila2.init(modelConfig(settings, tokenizer), random.key(seed))
  introduce({ model, corpus, tokens, tokenizer, saved, options }, words)

  // 5. Training, until the last update or Ctrl-C.
  const interrupt = listenForInterrupt(words)
  const trained = await trainRun({ model, tokens, settings, folder, saved, options, signal: interrupt.signal }, words)
  interrupt.release()
  if (!trained.finished) {
    say(words.stopped(trained.counters.step, resumeCommand(folder.path)))
    return 130
  }

  // 6. What it has learned: a checkpoint, scores, answers, a report.
  const learned = model.with(trained.params)
  await saveModel(learned, folder)
  await examine({ model: learned, trained, tokens, corpus, tokenizer, settings, folder, options }, words)
  say(words.saved(shown(folder.path), shown(folder.report)))
  say(words.again(`${resumeCommand(folder.path)} --steps ${2 * trained.counters.step}`))
  return 0
}

interface TrainingParts {
  readonly model: Aquila2
  readonly tokens: TokenCorpus
  readonly settings: Settings
  readonly folder: RunFolder
  readonly saved: SavedRun | undefined
  readonly options: Options
  readonly signal: AbortSignal
}

const SAVE_EVERY_MS = 30_000
const VALIDATE_EVERY_MS = 20_000

/** HeuriMentor's loop, with progress on the screen. The model's own tensors are the first parameters: updates overwrite them. */
async function trainRun(parts: TrainingParts, words: Messages): Promise<TrainResult<Params>> {
  const { model, tokens, settings, folder, saved, options, signal } = parts
  const length = runLength(options, settings, saved?.snapshot)
  const log = await openRunLog(folder.log)
  const progress = createProgress({
    screen: process.stderr,
    say: words,
    env: process.env,
    now: () => performance.now(),
  })
  const pace = createPace()
  try {
    return await train({
      params: parameters(model) as Params,
      loss: lossOf(model),
      optimizer: runOptimizer,
      data: tokens.data,
      validation: tokens.glimpses,
      plan: planOf(length, saved?.snapshot),
      resume: saved?.snapshot,
      extra: settings,
      checkpoints: folder.checkpoints,
      saveEvery: { ms: SAVE_EVERY_MS },
      validateEvery: { ms: VALIDATE_EVERY_MS },
      log,
      signal,
      onStep: (step, trainer) => {
        const stepMs = pace(step)
        const end = planEnd(length, trainer)
        if (end !== undefined) progress.note(words.planned(end))
        if (!progress.due() && !trainer.done) return
        const { samples } = trainer.plan
        progress.show({
          step: step.step,
          total: samples === null ? null : samples / settings.batch,
          loss: step.loss,
          tokensPerSecond: (settings.batch * settings.context * 1000) / stepMs,
          elapsed: clockTime(trainer.counters.trainedMs),
          left: clockTime(leftMs(length, trainer, stepMs)),
        })
      },
      onValidation: (scores, { step }) => progress.note(words.validation(step, meanBits(scores).toFixed(3))),
    })
  } finally {
    progress.end()
    await log.close()
  }
}

function meanBits(scores: readonly DomainScore[]): number {
  return scores.reduce((sum, { bitsPerByte }) => sum + (bitsPerByte ?? 0), 0) / scores.length
}

async function readCorpus({ corpus: path, seed }: Pick<Settings, 'corpus' | 'seed'>, words: Messages): Promise<Corpus> {
  say(words.reading(path === null ? words.world : shown(path)))
  const corpus = path === null ? await worldCorpus(repository, seed) : await fileCorpus(path)
  const { domains, files, skipped, cut } = corpus
  if (skipped.length > 0) say(words.skipped(skipped.length, skippedExamples(skipped, words)))
  if (cut) say(words.cut(byteSize(MAX_CORPUS_BYTES)))
  const learned = domains.reduce((sum, domain) => sum + learnedBytes(domain), 0)
  say(words.corpus(files, byteSize(learned), byteSize(bytesOf(domains.flatMap(({ heldOut }) => heldOut)))))
  return corpus
}

function skippedExamples(skipped: Corpus['skipped'], words: Messages): string {
  const examples = skipped.slice(0, 3).map(({ path, reason }) => `${path} (${words.reason[reason]})`)
  return examples.join(', ') + (skipped.length > 3 ? ', …' : '')
}

function checkSameText({ settings }: SavedRun, corpus: Corpus, words: Messages): void {
  if (settings.sha256 === corpus.sha256) return
  throw new Failure((say) => say.textChanged(settings.corpus === null ? words.world : shown(settings.corpus)))
}

async function newTokenizer(corpus: Corpus, { vocab }: Settings, folder: RunFolder): Promise<Tokenizer> {
  const trained = await learnTokenizer(corpus, vocab)
  await writeTokenizer(folder.path, trained.files()) // a folder that cannot be written is found out now, not after minutes
  return trained.tokenizer()
}

interface Beginning {
  readonly model: Aquila2
  readonly corpus: Corpus
  readonly tokens: TokenCorpus
  readonly tokenizer: Tokenizer
  readonly saved: SavedRun | undefined
  readonly options: Options
}

function introduce({ model, corpus, tokens, tokenizer, saved, options }: Beginning, words: Messages): void {
  const bytes = corpus.domains.reduce((sum, domain) => sum + learnedBytes(domain), 0)
  say(words.tokenizer(tokenizer.vocabSize, (bytes / tokens.count).toFixed(2)))
  say(words.learned(tokens.count.toLocaleString('en')))
  say(words.model(factsOf(model)))
  if (saved === undefined) return
  const { counters, plan } = saved.snapshot.record
  const total = plan.samples === null ? null : plan.samples / saved.settings.batch
  say(words.resuming(options.resume as string, counters.step, total))
  if (total !== null && counters.step >= total && options.steps === undefined && options.seconds === undefined)
    say(words.nothingLeft(total))
}

function factsOf(model: Aquila2): ModelFacts {
  const { config } = model
  return {
    parameters: parameterCount(model).toLocaleString('en'),
    layers: config.num_hidden_layers,
    width: config.hidden_size,
    context: config.max_position_embeddings,
    vocabulary: config.vocab_size,
  }
}

/** The model in the layout of Hugging Face, beside its tokenizer. */
async function saveModel(model: Aquila2, { path }: RunFolder): Promise<void> {
  const { bos_token_id, eos_token_id, pad_token_id } = model.config
  const generationConfig = { bos_token_id, eos_token_id, pad_token_id, max_new_tokens: 64, do_sample: false }
  await savePretrained(path, { model, folder: diskFolder(path), generationConfig })
}

interface Examination {
  readonly model: Aquila2
  readonly trained: TrainResult<Params>
  readonly tokens: TokenCorpus
  readonly corpus: Corpus
  readonly tokenizer: Tokenizer
  readonly settings: Settings
  readonly folder: RunFolder
  readonly options: Options
}

/** Scores, answers and samples: on the screen, and in the report. */
async function examine(examination: Examination, words: Messages): Promise<void> {
  const { model, trained, tokens, corpus, tokenizer, settings, folder, options } = examination
  const { counters, params } = trained
  const tokensPerSecond = speed(counters, settings)
  say(words.trained(counters.step, clockTime(counters.trainedMs), Math.round(tokensPerSecond).toString()))
  const scores = await scoreDomains({ params, loss: lossOf(model), validation: tokens.heldOut })
  corpus.domains.forEach(({ name, heldOut }, k) =>
    say(words.score(name, scores[k].bitsPerByte?.toFixed(3) ?? '', gzipBits(heldOut).toFixed(3))),
  )
  const generator = createGenerator({ model, tokenizer, maxBatch: 32 })
  const quiz = corpus.isWorld ? await questioned(examination, generator, words) : []
  const request = { prompt: options.prompt, length: options.sample, context: settings.context, seed: settings.seed }
  const samples = await writeSamples(corpus, { generator, tokenizer }, request)
  if (samples.length > 0) say(`\n${words.sampleTitle}\n`)
  for (const { prompt, text } of samples) process.stdout.write(`${prompt}${text}\n\n`)
  const findings = {
    source: settings.corpus === null ? words.world.replace(/ ?[(（].*/, '') : shown(settings.corpus),
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

function speed({ step, trainedMs }: Counters, { batch, context }: Settings): number {
  return (step * batch * context * 1000) / Math.max(1, trainedMs)
}

const QUESTIONS_PER_DOMAIN = 50

/** Held-out questions in both languages, to the model and to a 5-gram model of the same text. */
async function questioned(
  { corpus, tokenizer, settings }: Examination,
  generator: ReturnType<typeof createGenerator>,
  words: Messages,
) {
  say(`\n${words.asking(LANGUAGES.length * 5 * QUESTIONS_PER_DOMAIN)}`)
  const texts = corpus.domains.flatMap(({ texts }) => texts.map(wholeOf))
  const ngram = learnNgrams(tokenizer, texts)
  const results = []
  for (const language of LANGUAGES) {
    const questions = heldOutQuestions(language, { seed: settings.seed, perDomain: QUESTIONS_PER_DOMAIN })
    const answered = await answerAll(questions, { generator, tokenizer, ngram })
    const score = quizScore(answered)
    results.push({ language, score, answered })
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
  return results
}

/** The folder of the run: that of `--resume` or `--out`, else the first free one. */
async function folderPath({ resume, out }: Options, words: Messages): Promise<string> {
  if (resume !== undefined) return userPath(resume)
  if (out !== undefined) {
    const folder = userPath(out)
    if (await holdsRun(folder)) throw new Failure(() => words.outInUse(shown(folder), resumeCommand(folder)))
    return folder
  }
  for (let k = 1; ; k++) {
    const folder = join(repository, 'runs', k === 1 ? 'start' : `start-${k}`)
    if (!(await holdsRun(folder))) return folder
  }
}

/** The first Ctrl-C ends training after the update at hand, the second one everything. */
function listenForInterrupt(words: Messages): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(130)
    say(`\n${words.stopping}`)
    controller.abort()
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const name of signals) process.on(name, interrupt)
  return {
    signal: controller.signal,
    release: () => signals.forEach((name) => process.off(name, interrupt)),
  }
}

/** Paths are relative to where the user is; npm runs its scripts in the repository's root. */
function userPath(path: string): string {
  return resolve(process.env.INIT_CWD ?? process.cwd(), path)
}

/** A path as the user would write it. */
function shown(path: string): string {
  const near = relative(process.env.INIT_CWD ?? process.cwd(), path)
  return near === '' ? '.' : near.startsWith('..') || isAbsolute(near) ? path : near
}

function resumeCommand(folder: string): string {
  const path = shown(folder)
  return `npm start -- --resume ${/^[\w./-]+$/.test(path) ? path : JSON.stringify(path)}`
}

const args = process.argv.slice(2)
let words = messagesIn(requestedLanguage(args, process.env))
try {
  const options = readOptions(args, process.env)
  words = messagesIn(options.lang)
  if (options.help) process.stdout.write(`${words.help}\n`)
  else process.exitCode = await main(options, words)
} catch (error) {
  say(describeFailure(error, words))
  process.exit(1)
}
