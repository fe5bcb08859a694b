/** Gradients of a model and ten steps of training, compared with stored ones. */
import { parameters } from '@tarazed/nn'
import { adamw, clipByGlobalNorm, matricesOnly, type NamedTensors } from '@tarazed/nn/optim'
import { type Tensor, valueAndGrad } from '@tarazed/tensor'
import { compareNumbers } from '../../compare.js'
import { type CaseContext } from '../../case.js'
import { numberOf, numbersOf, type HostTensor } from '../../hostTensor.js'
import { IndexError } from '../../stored.js'
import { type ModelShelf, storedMask, storedTensor } from './modelFolder.js'
import { FINAL_PARAMETERS, GRADIENTS, TRAINING } from './tolerances.js'

/** `training` of expected.json. */
interface TrainingEntry {
  readonly lr: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weight_decay: number
  readonly clip_norm: number
  readonly steps: number
  readonly decay_all?: TrainingTrace
  readonly decay_matrices_only?: TrainingTrace
}

interface TrainingTrace {
  readonly losses: readonly number[]
  readonly grad_norms_before_clip: readonly number[]
  readonly loss_on_first_batch_after_training: number
}

/** Which parameters decay. */
export type Decay = 'decay_all' | 'decay_matrices_only'

/** Every gradient of the loss on the stored batch, with and without rematerialisation. */
export async function runGradients(
  folder: string,
  shelf: ModelShelf,
  { machine, files }: CaseContext,
): Promise<string | null> {
  const model = await shelf.model(folder)
  const [ids, labels] = [storedTensor(files, folder, 'input_ids'), storedTensor(files, folder, 'labels')]
  const mask = storedMask(files, folder)
  const file = `${folder}/gradients.safetensors`
  const names = files.tensorNames(file)
  const missing = Object.keys(parameters(model)).filter((name) => !names.includes(name))
  if (missing.length > 0) return `gradients.safetensors lacks ${missing.join(', ')}`
  for (const rematerialise of [false, true]) {
    const loss = (params: NamedTensors): Tensor => model.with(params).loss(ids, labels, { mask, rematerialise })
    const [, grads] = valueAndGrad(loss)(parameters(model))
    const got = await machine.read(names.map((name) => grads[name]))
    for (const [k, name] of names.entries()) {
      const finding = gradientGap(name, got[k], files.tensor(file, name))
      if (finding !== null) return rematerialise ? `rematerialised: ${finding}` : finding
    }
  }
  return null
}

function gradientGap(name: string, got: HostTensor, want: HostTensor): string | null {
  const [a, b] = [numbersOf(got), numbersOf(want)]
  if (got.shape.join() !== want.shape.join()) return `${name}: got [${got.shape.join()}], want [${want.shape.join()}]`
  const gap = a.reduce((most, value, k) => Math.max(most, Math.abs(value - b[k])), 0)
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const limit = GRADIENTS.relative * largest + GRADIENTS.absolute
  return gap <= limit ? null : `gradient of ${name}: largest difference ${gap}, at most ${limit}`
}

/** Ten steps of AdamW: losses, norms, and the parameters at the end. */
export async function runTraining(
  folder: string,
  decay: Decay,
  shelf: ModelShelf,
  context: CaseContext,
): Promise<string | null> {
  const { machine, files } = context
  const entry = (files.json(`${folder}/expected.json`) as { training: TrainingEntry }).training
  const trace = entry[decay]
  if (trace === undefined) throw new IndexError(`expected.json has no training.${decay}`)
  const model = await shelf.model(folder)
  const optimizer = adamw({
    lr: entry.lr,
    betas: entry.betas,
    eps: entry.eps,
    weightDecay: entry.weight_decay,
    ...(decay === 'decay_matrices_only' && { decayFor: matricesOnly }),
  })
  const batches = storedTensor(files, folder, 'input_ids', 'training')
  const batch = (step: number): Tensor => batches.slice([[step, step + 1]]).squeeze(0)
  const lossOf =
    (ids: Tensor) =>
    (params: NamedTensors): Tensor =>
      model.with(params).loss(ids)
  let params: NamedTensors = parameters(model)
  let state = optimizer.init(params)
  const losses: number[] = []
  const norms: number[] = []
  for (let step = 0; step < entry.steps; step++) {
    const [loss, grads] = valueAndGrad(lossOf(batch(step)))(params)
    const clipped = clipByGlobalNorm(grads, entry.clip_norm)
    const settled = await machine.settle({
      loss,
      norm: clipped.norm,
      ...optimizer.update(params, clipped.grads, state),
    })
    ;({ params, state } = settled)
    const [lossValue, normValue] = await machine.read([settled.loss, settled.norm])
    losses.push(numberOf(lossValue))
    norms.push(numberOf(normValue))
  }
  const [after] = await machine.read([lossOf(batch(0))(params)])
  losses.push(numberOf(after))
  const wantLosses = [...trace.losses, trace.loss_on_first_batch_after_training]
  return (
    compareNumbers('losses', [wantLosses.length], losses, wantLosses, { tolerance: TRAINING }) ??
    compareNumbers('norms', [norms.length], norms, trace.grad_norms_before_clip, { tolerance: TRAINING }) ??
    (await finalParameters(folder, decay, params, context))
  )
}

async function finalParameters(
  folder: string,
  decay: Decay,
  params: NamedTensors,
  { machine, files }: CaseContext,
): Promise<string | null> {
  const [file, prefix] =
    decay === 'decay_all'
      ? [`${folder}/training.final.safetensors`, '']
      : [`${folder}/training.safetensors`, `norms_after_${decay}.`]
  const names = files.tensorNames(file).filter((name) => name.startsWith(prefix))
  if (names.length === 0) throw new IndexError(`${file} has no tensors ${prefix}*`)
  const got = await machine.read(names.map((name) => params[name.slice(prefix.length)]))
  const gaps = names.flatMap((name, k) => {
    const want = numbersOf(files.tensor(file, name))
    return [...numbersOf(got[k]).map((value, at) => Math.abs(value - want[at]))]
  })
  const close = gaps.filter((gap) => gap <= FINAL_PARAMETERS.most).length / gaps.length
  const worst = gaps.reduce((most, gap) => Math.max(most, gap), 0)
  if (close >= FINAL_PARAMETERS.share && worst <= FINAL_PARAMETERS.every) return null
  return `final parameters: ${(100 * close).toFixed(2)} % within ${FINAL_PARAMETERS.most}, largest difference ${worst}`
}
