/** A run at its beginning: new, or as it was saved. */
import { parameters } from '@tarazed/nn'
import { random } from '@tarazed/tensor'
import { type Run, type RunRecord, loadRun } from './checkpoint.js'
import type { Corpus } from './corpus.js'
import { ByteModel, type ModelConfig, modelConfig } from './model.js'
import type { Options } from './options.js'
import { runOptimizer } from './train.js'

const DEFAULT_SECONDS = 150
const DEFAULT_BATCH = 4
const DEFAULT_CONTEXT = 128
const WARMUP = 40

/** Bytes that the model sees, as far as it is known before the run is read. */
export function contextOf(options: Options): number {
  return options.context ?? DEFAULT_CONTEXT
}

/** A new run with random weights. */
export function newRun(options: Options, corpus: Corpus, corpusPath: string | null): { run: Run; model: ByteModel } {
  const config = modelConfig({ layers: options.layers, width: options.width, context: contextOf(options) })
  const total = options.steps ?? null
  const record: RunRecord = {
    format: 1,
    config,
    seed: options.seed ?? 0,
    batch: options.batch ?? DEFAULT_BATCH,
    corpus: corpusPath,
    sha256: corpus.sha256,
    seconds: total === null ? (options.seconds ?? DEFAULT_SECONDS) : null,
    total,
    warmup: total === null ? WARMUP : Math.min(WARMUP, Math.floor(total / 10)),
    step: 0,
    trainedMs: 0,
    untrainedBits: 8,
  }
  const model = ByteModel.init(config, random.key(record.seed))
  return { run: { record, ...firstTensors(model, record) }, model }
}

/** A saved run. `--steps` gives it a new end, `--seconds` so much more time. */
export async function resumedRun(folder: string, options: Options): Promise<{ run: Run; model: ByteModel }> {
  const saved = await loadRun(folder, (record) => firstTensors(modelOf(record.config, record.seed), record))
  return {
    run: { ...saved, record: withNewEnd(saved.record, options) },
    model: modelOf(saved.record.config, saved.record.seed),
  }
}

function withNewEnd(record: RunRecord, { steps, seconds }: Options): RunRecord {
  if (steps !== undefined) return { ...record, total: steps, seconds: null }
  if (seconds !== undefined) return { ...record, total: null, seconds: record.trainedMs / 1000 + seconds }
  return record
}

function modelOf(config: ModelConfig, seed: number): ByteModel {
  return ByteModel.init(config, random.key(seed))
}

function firstTensors(model: ByteModel, record: RunRecord) {
  const params = parameters(model)
  return { params, state: runOptimizer(record.warmup, Infinity).init(params) }
}
