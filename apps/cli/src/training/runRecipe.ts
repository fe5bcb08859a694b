/** A recipe from beginning to end: text, tokenizer, model, training, a checkpoint folder and a report. */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Aquila2 } from '@tarazed/aquila2'
import { savePretrained } from '@tarazed/aquila2/node'
import { diskFolder, replaceFile } from '@tarazed/checkpoint/node'
import {
  type DomainScore,
  type RunPlan,
  type Snapshot,
  type SummedLoss,
  type TokenBatch,
  type TrainResult,
  chineseChartWords,
  englishChartWords,
  reportHtml,
  runCharts,
  train,
} from '@tarazed/heurimentor'
import { diskCheckpoints, openRunLog, readRunLog } from '@tarazed/heurimentor/node'
import { parameterCount, parameters } from '@tarazed/nn'
import { adamw, matricesOnly } from '@tarazed/nn/optim'
import { type Tensor, scalar } from '@tarazed/tensor'
import type { Context } from '../command.js'
import { Failure } from '../failure.js'
import { createBar } from '../progress.js'
import { TOKENIZER_FILES, modelOf, tokenizerOf, trainingData } from './parts.js'
import type { Recipe } from './recipe.js'
import { readDomains } from './texts.js'

/** What a run ended with. */
export interface RunOutcome {
  readonly out: string
  readonly finished: boolean
  readonly step: number
  readonly samples: number
  readonly seconds: number
  readonly scores: readonly { readonly name: string; readonly bitsPerByte: number | null; readonly loss: number }[]
}

/** A model that is there already would be overwritten, tokenizer first. */
async function refuseModelFolder(out: string): Promise<void> {
  const names = await readdir(out).catch(() => [])
  const found = names.find((name) => name === 'config.json' || /\.(safetensors|bin|gguf)$/.test(name))
  if (found === undefined) return
  throw new Failure({
    en: `${out} already holds a model (${found}); choose another folder with --out`,
    zh: `${out} 中已有模型（${found}）；请用 --out 另选目录`,
  })
}

type Params = Readonly<Record<string, Tensor>>

/** @param resume go on with the run that is in the folder; without it such a run is an error */
export async function runRecipe(recipe: Recipe, resume: boolean, context: Context): Promise<RunOutcome> {
  const { out, training } = recipe
  const { err, say } = context
  const checkpoints = diskCheckpoints(join(out, 'training', 'checkpoints'), {
    onWarning: (message) => void err.write(`${message}\n`),
  })
  const exists = (await checkpoints.list()).length > 0
  if (exists && !resume)
    throw new Failure({
      en: `${out} already holds a run; go on with it by --resume, or choose another folder with --out`,
      zh: `${out} 中已有一次运行；请用 --resume 继续，或用 --out 另选目录`,
    })
  if (!exists && resume)
    throw new Failure({
      en: `${out} holds no run to resume; leave --resume out to begin one`,
      zh: `${out} 中没有可继续的运行；去掉 --resume 以开始新的运行`,
    })
  if (!exists) await refuseModelFolder(out)
  if (exists && recipeOf(await checkpoints.latest()) !== fingerprint(recipe))
    err.write(
      say({
        en: 'The recipe is not the one that this run began with; it goes on with the new one\n',
        zh: '配方与这次运行开始时不同，将按新配方继续\n',
      }),
    )
  const domains = await readDomains(recipe)
  const tokenizer = await tokenizerOf(recipe, domains, exists)
  const { data, validation, tokens } = trainingData(domains, tokenizer, recipe)
  const model = await modelOf(recipe, tokenizer)
  err.write(
    say({
      en: `${parameterCount(model).toLocaleString('en')} parameters, ${tokenizer.vocabSize} tokens in the vocabulary, ${tokens.toLocaleString('en')} tokens to learn from\n`,
      zh: `${parameterCount(model).toLocaleString('en')} 个参数，词表 ${tokenizer.vocabSize}，共 ${tokens.toLocaleString('en')} 个训练词元\n`,
    }),
  )
  const log = await openRunLog(join(out, 'training', 'events.jsonl'))
  const bar = createBar(context, { label: say({ en: 'training', zh: '训练' }), total: training.samples })
  let trained: TrainResult<Params>
  try {
    trained = await train<Params, TokenBatch>({
      params: parameters(model),
      loss: lossOf(model, training.z_loss),
      optimizer: (lr) => {
        const { betas, eps, weight_decay: weightDecay } = training
        return adamw({ lr, betas, eps, weightDecay, decayFor: matricesOnly })
      },
      data,
      validation,
      plan: planOf(recipe),
      extra: { recipe: fingerprint(recipe) },
      checkpoints,
      ...(recipe.save_every !== undefined && { saveEvery: { samples: recipe.save_every } }),
      ...(recipe.validate_every !== undefined && { validateEvery: { samples: recipe.validate_every } }),
      log,
      signal: context.signal,
      onStep: ({ samples, loss }) =>
        bar.show(samples, say({ en: `loss ${loss.toFixed(3)}`, zh: `损失 ${loss.toFixed(3)}` })),
      onValidation: (scores, { step }) => bar.say(validationLine(scores, step, say)),
    })
  } finally {
    bar.end()
    await log.close()
  }
  if (trained.scores.some(({ loss }) => !Number.isFinite(loss)))
    throw new Failure({
      en: `The run diverged: held-out loss is no number after ${trained.counters.step} updates, ${trained.counters.skipped} of them skipped. Lower training.learning_rate.max; no model was written to ${out}`,
      zh: `训练发散：${trained.counters.step} 步之后验证损失不是数值，其中跳过 ${trained.counters.skipped} 步。请降低 training.learning_rate.max；未向 ${out} 写入模型`,
    })
  await saveModel(model.with(trained.params), recipe)
  await writeReport(recipe, trained, context)
  const { step, samples, trainedMs } = trained.counters
  const scores = trained.scores.map(({ name, bitsPerByte, loss }) => ({ name, bitsPerByte, loss }))
  return { out, finished: trained.finished, step, samples, seconds: trainedMs / 1000, scores }
}

/** Cross-entropy of each next token as a sum with its count: held-out batches have tokens that do not count. */
function lossOf(model: Aquila2, zLoss: number): (params: Params, batch: TokenBatch) => SummedLoss {
  return (params, { tokens, weights }) => {
    const costs = model.with(params).loss(tokens, tokens, { zLoss, reduction: 'none' }) // [B, T]
    if (weights === undefined) return { sum: costs.sum(), count: scalar(costs.size) }
    const counted = weights.slice([null, [1, null]]) // [B, T]
    return { sum: costs.mul(counted).sum(), count: counted.sum() }
  }
}

function planOf({ training }: Recipe): RunPlan {
  const { samples, batch, micro_batch, clip } = training
  const { max, min, warmup, style, wsd_decay } = training.learning_rate
  return {
    samples,
    batch,
    ...(micro_batch !== undefined && { microBatch: micro_batch }),
    clip,
    learningRate: { style, maxLr: max, minLr: min, warmup, ...(wsd_decay !== undefined && { wsdDecay: wsd_decay }) },
  }
}

/** Of the recipe that a saved run belongs to. */
function recipeOf(snapshot: Snapshot | undefined): string | undefined {
  return (snapshot?.record.extra as { recipe?: string } | undefined)?.recipe
}

function fingerprint(recipe: Recipe): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex')
}

function validationLine(scores: readonly DomainScore[], step: number, say: Context['say']): string {
  const figures = scores.map(({ name, bitsPerByte, loss }) =>
    bitsPerByte === null ? `${name} ${loss.toFixed(3)}` : `${name} ${bitsPerByte.toFixed(3)}`,
  )
  const list = figures.join(', ')
  return say({ en: `update ${step}, held-out bits per byte: ${list}`, zh: `第 ${step} 步，验证文本比特/字节：${list}` })
}

/** Files beside the weights (chat template, added tokens) come from the model that was trained further; the tokenizer is the run's. */
async function saveModel(model: Aquila2, { out, model: source }: Recipe): Promise<void> {
  const { bos_token_id, eos_token_id, pad_token_id } = model.config
  const own = diskFolder(out)
  const files: Record<string, string> = {}
  for (const name of TOKENIZER_FILES) {
    const text = await own.readText(name)
    if (text !== undefined) files[name] = text
  }
  const folder = 'path' in source ? diskFolder(source.path) : own
  await savePretrained(out, { model, folder, files, generationConfig: { bos_token_id, eos_token_id, pad_token_id } })
}

async function writeReport(recipe: Recipe, { counters, scores }: TrainResult<Params>, context: Context): Promise<void> {
  const { language, say } = context
  const events = await readRunLog(join(recipe.out, 'training', 'events.jsonl'))
  const figures = scores.map(({ name, bitsPerByte, perplexity }) => ({
    label: name,
    value: bitsPerByte === null ? perplexity.toFixed(2) : bitsPerByte.toFixed(3),
    note:
      bitsPerByte === null ? say({ en: 'perplexity', zh: '困惑度' }) : say({ en: 'bits per byte', zh: '比特/字节' }),
  }))
  const steps = {
    label: say({ en: 'updates', zh: '更新步数' }),
    value: counters.step.toLocaleString('en'),
    note: say({
      en: `${counters.samples.toLocaleString('en')} samples in ${Math.round(counters.trainedMs / 1000)} s`,
      zh: `${counters.samples.toLocaleString('en')} 个样本，${Math.round(counters.trainedMs / 1000)} 秒`,
    }),
  }
  const html = reportHtml({
    lang: language === 'zh' ? 'zh-CN' : 'en',
    title: say({ en: 'Training report', zh: '训练报告' }),
    subtitle: recipe.out,
    sections: [
      { kind: 'figures', figures: [...figures, steps] },
      ...runCharts(events, language === 'zh' ? chineseChartWords : englishChartWords),
    ],
  })
  await replaceFile(join(recipe.out, 'report.html'), html)
}
