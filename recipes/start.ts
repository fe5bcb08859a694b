/**
 * npm start: from text to a small bilingual language model that answers.
 *
 * text → tokenizer → sequences of tokens → Aquila2 trained by HeuriMentor → held-out questions → a checkpoint folder and a report.
 * Every part is one file in `start/`; the default text is made in `tinyWorld/`. Read this file first.
 */
import { fileURLToPath } from 'node:url'
import { Aquila2 } from '@tarazed/aquila2'
import { savePretrained } from '@tarazed/aquila2/node'
import { diskFolder } from '@tarazed/checkpoint/node'
import { type DomainScore, type TrainResult, train } from '@tarazed/heurimentor'
import { openRunLog } from '@tarazed/heurimentor/node'
import { openCpu } from '@tarazed/kernels-cpu'
import { parameters } from '@tarazed/nn'
import { random, setDefaultBackend } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'
import { type Corpus, bytesOf, fileCorpus, learnedBytes } from './start/corpus.js'
import { examine, factsOf } from './start/examine.js'
import { Failure, describeFailure } from './start/failure.js'
import { listenForInterrupt } from './start/interrupt.js'
import type { Messages } from './start/messages.js'
import { type Params, lossOf, modelConfig, runOptimizer } from './start/model.js'
import { type Options, readOptions, requestedLanguage } from './start/options.js'
import { createPace, leftMs, planEnd } from './start/pace.js'
import { folderFor, resumeCommand, shownPath, userPath } from './start/paths.js'
import { byteSize, clockTime, createProgress } from './start/progress.js'
import {
  type RunFolder,
  type SavedRun,
  type Settings,
  loadRun,
  newSettings,
  planOf,
  runFolder,
  runLength,
  withEnd,
  writeTokenizer,
} from './start/run.js'
import { messagesIn } from './start/speak.js'
import { MAX_CORPUS_BYTES } from './start/textFiles.js'
import { type TokenCorpus, learnTokenizer, tokenCorpus } from './start/tokens.js'
import { worldCorpus } from './start/worldCorpus.js'

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
  const folder = runFolder(await folderFor(options, repository), (reason) => say(words.olderUsed(reason)))
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
  const interrupt = listenForInterrupt(() => say(`\n${words.stopping}`))
  const trained = await trainRun({ model, tokens, settings, folder, saved, options, signal: interrupt.signal }, words)
  interrupt.release()
  if (!trained.finished) {
    say(words.stopped(trained.counters.step, resumeCommand(folder.path)))
    return 130
  }

  // 6. What it has learned: a checkpoint, scores, answers, a report.
  const learned = model.with(trained.params)
  await saveModel(learned, folder)
  await examine({ model: learned, trained, tokens, corpus, tokenizer, settings, folder, options }, words, say)
  say(words.saved(shownPath(folder.path), shownPath(folder.report)))
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
  const plan = planOf(length, saved?.snapshot)
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
      plan,
      resume: saved && withEnd(saved.snapshot, plan),
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
  say(words.reading(path === null ? words.world : shownPath(path)))
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
  throw new Failure((say) => say.textChanged(settings.corpus === null ? words.world : shownPath(settings.corpus)))
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

/** The model in the layout of Hugging Face, beside its tokenizer. */
async function saveModel(model: Aquila2, { path }: RunFolder): Promise<void> {
  const { bos_token_id, eos_token_id, pad_token_id } = model.config
  const generationConfig = { bos_token_id, eos_token_id, pad_token_id, max_new_tokens: 64, do_sample: false }
  await savePretrained(path, { model, folder: diskFolder(path), generationConfig })
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
