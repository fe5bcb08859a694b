/**
 * npm start: from text to a small language model that writes.
 *
 * text → windows of bytes → a compiled training step, over and over → held-out score → a checkpoint folder → a sample.
 * Every part is one file in `start/`; read this one first, then `start/model.ts` and `start/train.ts`.
 */
import { isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { openCpu } from '@tarazed/kernels-cpu'
import { parameterCount } from '@tarazed/nn'
import { setDefaultBackend } from '@tarazed/tensor'
import { type Run, holdsRun, saveRun } from './start/checkpoint.js'
import { type Corpus, MAX_CORPUS_BYTES, readCorpus, readOwnText } from './start/corpus.js'
import { Failure, describeFailure } from './start/failure.js'
import { type Messages, messagesIn } from './start/messages.js'
import type { ByteModel } from './start/model.js'
import { type Options, readOptions, requestedLanguage } from './start/options.js'
import { byteSize, clockTime, createProgress } from './start/progress.js'
import { contextOf, newRun, resumedRun } from './start/run.js'
import { readableText, sampleBytes } from './start/sample.js'
import { createValidation, train } from './start/train.js'

const repository = fileURLToPath(new URL('../', import.meta.url))
const say = (text: string) => process.stderr.write(`${text}\n`)

async function main(options: Options, words: Messages): Promise<number> {
  // 1. An engine. Every tensor lives there.
  const backend = await openCpu({ threads: options.threads })
  setDefaultBackend(backend)
  try {
    say(words.engine(backend))
    return await trainAndWrite(options, words)
  } finally {
    await backend.close()
  }
}

async function trainAndWrite(options: Options, words: Messages): Promise<number> {
  // 2. Text, and a run: a new one, or one that was stopped.
  const resumed = options.resume === undefined ? undefined : await resumedRun(userPath(options.resume), options)
  const corpusPath = options.corpus === undefined ? (resumed?.run.record.corpus ?? null) : userPath(options.corpus)
  const context = resumed?.run.record.config.max_position_embeddings ?? contextOf(options)
  const corpus = await readText(corpusPath, context, words)
  const { run, model } = resumed ?? newRun(options, corpus, corpusPath)
  const folder = options.resume === undefined ? await newFolder(options.out, words) : userPath(options.resume)
  introduce(run, model, corpus, options, words)

  // 3. Training, until the last step or Ctrl-C.
  const { batch, config } = run.record
  const validate = createValidation(model, corpus.heldOut, { rows: batch, length: config.max_position_embeddings + 1 })
  const untrainedBits = resumed?.run.record.untrainedBits ?? (await validate(run.params))
  const begun: Run = { ...run, record: { ...run.record, untrainedBits, corpus: corpusPath, sha256: corpus.sha256 } }
  const now = () => performance.now()
  const progress = createProgress({ screen: process.stderr, say: words, env: process.env, now })
  const save = (state: Run) => saveRun(folder, state)
  await save(begun) // a folder that cannot be written is found out now, not after minutes
  const interrupt = listenForInterrupt(words)
  const trained = await train(begun, {
    model,
    corpus,
    validate,
    save,
    progress,
    say: words,
    stop: interrupt.signal,
    now,
  })
  await save(trained)
  interrupt.release()
  if (interrupt.signal.aborted) {
    say(words.stopped(trained.record.step, resumeCommand(folder)))
    return 130
  }

  // 4. What it has learned.
  report(trained, await validate(trained.params), corpus, words)
  await writeSample(trained, model, options, words)
  say(words.saved(shown(folder)))
  say(words.again(`${resumeCommand(folder)} --steps ${2 * trained.record.step}`))
  return 0
}

async function readText(path: string | null, context: number, words: Messages): Promise<Corpus> {
  say(words.reading(path === null ? words.ownText : shown(path)))
  const corpus = path === null ? await readOwnText(repository, { context }) : await readCorpus(path, { context })
  const { files, bytes, train: learned, heldOut, skipped, cut } = corpus
  if (skipped.length > 0) say(words.skipped(skipped.length, skippedExamples(skipped, words)))
  if (cut) say(words.cut(byteSize(MAX_CORPUS_BYTES)))
  say(words.corpus(files, byteSize(bytes.length), byteSize(learned.length), byteSize(heldOut.length)))
  return corpus
}

function skippedExamples(skipped: Corpus['skipped'], words: Messages): string {
  const examples = skipped.slice(0, 3).map(({ path, reason }) => `${path} (${words.reason[reason]})`)
  return examples.join(', ') + (skipped.length > 3 ? ', …' : '')
}

function introduce(run: Run, model: ByteModel, corpus: Corpus, { resume }: Options, words: Messages): void {
  const { config, step, total, sha256 } = run.record
  const { num_hidden_layers: layers, hidden_size: width, max_position_embeddings: context } = config
  say(words.model(parameterCount(model).toLocaleString('en'), layers, width, context))
  if (resume === undefined) return
  say(words.resuming(resume, step, total))
  if (sha256 !== corpus.sha256) say(words.textChanged)
  if (total !== null && step >= total) say(words.nothingLeft(total))
}

/** The folder of a new run: the one that was asked for if it is free, else the first free one. */
async function newFolder(out: string | undefined, words: Messages): Promise<string> {
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

/** The first Ctrl-C ends training after the step at hand, the second one everything. */
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

function report({ record }: Run, heldOutBits: number, corpus: Corpus, words: Messages): void {
  const { step, trainedMs, batch, config } = record
  const tokensPerSecond = (step * batch * config.max_position_embeddings * 1000) / Math.max(1, trainedMs)
  const gzipBits = (gzipSync(corpus.heldOut, { level: 9 }).length * 8) / corpus.heldOut.length
  say(words.trained(step, clockTime(trainedMs), Math.round(tokensPerSecond).toString()))
  say(words.result(heldOutBits.toFixed(3), record.untrainedBits.toFixed(3), gzipBits.toFixed(3)))
}

async function writeSample(run: Run, model: ByteModel, options: Options, words: Messages): Promise<void> {
  const prompt = options.prompt ?? ''
  say(`\n${words.sampleTitle}\n`)
  process.stdout.write(prompt)
  const bytes = sampleBytes(model, run.record.config, run.params, {
    prompt: new TextEncoder().encode(prompt),
    length: options.sample,
    temperature: 0.8,
    seed: run.record.seed,
  })
  for await (const text of readableText(bytes)) process.stdout.write(text)
  process.stdout.write('\n\n')
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
