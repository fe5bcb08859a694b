/** Group `optim`: traces of optimisers over ten steps, clipping, moving averages. */
import {
  adafactor,
  adam,
  adamw,
  clipByGlobalNorm,
  clipByValue,
  ema,
  lion,
  muon,
  newtonSchulz,
  sgd,
  type Optimizer,
} from '@tarazed/nn/optim'
import { type Tensor } from '@tarazed/tensor'
import { type Attributes } from '../../attributes.js'
import { type CaseContext } from '../../case.js'
import { compareNumbers } from '../../compare.js'
import { bytesOf, numberOf, numbersOf, type HostTensor } from '../../hostTensor.js'
import { CaseTensors, IndexError, tensorOf } from '../../stored.js'
import { checkResult, firstOf } from './check.js'
import { attributesOf, toleranceOf, type TensorEntry, type Tolerances } from './entry.js'

type Betas = [number, number]

const adamOptions = (attrs: Attributes) => ({
  lr: attrs.number('lr'),
  betas: attrs.numbers('betas') as Betas,
  eps: attrs.number('eps'),
  weightDecay: attrs.number('weightDecay'),
  amsgrad: attrs.boolean('amsgrad'),
})

const OPTIMIZERS: Readonly<Record<string, (attrs: Attributes) => Optimizer>> = {
  sgd: (attrs) =>
    sgd({
      lr: attrs.number('lr'),
      momentum: attrs.number('momentum'),
      dampening: attrs.number('dampening'),
      nesterov: attrs.boolean('nesterov'),
      weightDecay: attrs.number('weightDecay'),
    }),
  adam: (attrs) => adam(adamOptions(attrs)),
  adamw: (attrs) => adamw(adamOptions(attrs)),
  adafactor: (attrs) =>
    adafactor({
      lr: attrs.number('lr'),
      eps: attrs.numbers('eps') as [number, number],
      beta2Decay: attrs.number('beta2Decay'),
      d: attrs.number('d'),
      weightDecay: attrs.number('weightDecay'),
    }),
  lion: (attrs) =>
    lion({
      lr: attrs.number('lr'),
      betas: attrs.numbers('betas') as Betas,
      weightDecay: attrs.number('weightDecay'),
    }),
  muon: (attrs) =>
    muon({
      lr: attrs.number('lr'),
      momentum: attrs.number('momentum'),
      nesterov: attrs.boolean('nesterov'),
      weightDecay: attrs.number('weightDecay'),
      nsSteps: attrs.number('nsSteps'),
      nsCoefficients: attrs.numbers('nsCoefficients') as [number, number, number],
      eps: attrs.number('eps'),
      adjustLr: attrs.text('adjustLr') as 'original' | 'matchRmsAdamw',
    }),
}

/** What a case of this group works with. */
interface Trial {
  readonly entry: TensorEntry
  readonly attrs: Attributes
  readonly stored: CaseTensors
  readonly tolerances: Tolerances
  readonly context: CaseContext
}

const OTHERS: Readonly<Record<string, (trial: Trial) => Promise<string | null>>> = {
  newtonSchulz: runNewtonSchulz,
  clipByGlobalNorm: runClipByGlobalNorm,
  clipByValue: runClipByValue,
  ema: runEma,
}

export async function runOptim(
  entry: TensorEntry,
  tolerances: Tolerances,
  context: CaseContext,
): Promise<string | null> {
  const attrs = attributesOf(entry)
  const stored = new CaseTensors(context.files, entry.file, entry.key)
  const trial = { entry, attrs, stored, tolerances, context }
  const run = OTHERS[entry.op] ?? (Object.hasOwn(OPTIMIZERS, entry.op) ? runTrace : null)
  if (run === null) throw new IndexError(`no runner for operator ${entry.op}`)
  const finding = await run(trial)
  if (attrs.unread().length > 0)
    throw new IndexError(`the runner does not know the attributes ${attrs.unread().join(', ')}`)
  return finding
}

/** Parameters after every step, with the gradients as given. Inputs `<p>.init`, `<p>.grads`; outputs `<p>.trace`. */
async function runTrace({ entry, attrs, stored, tolerances, context }: Trial): Promise<string | null> {
  const { machine } = context
  const optimizer = OPTIMIZERS[entry.op](attrs)
  const named = (ending: string): [string, HostTensor][] =>
    [...entry.inputs, ...entry.outputs]
      .filter(({ name }) => name.endsWith(ending))
      .map((promised) => [promised.name.slice(0, -ending.length), stored.host(promised)])
  const gradients = named('.grads')
  const traces = new Map(named('.trace'))
  let params: Record<string, Tensor> = Object.fromEntries(named('.init').map(([name, host]) => [name, tensorOf(host)]))
  let state = optimizer.init(params)
  const steps = gradients[0][1].shape[0]
  for (let step = 0; step < steps; step++) {
    const grads = Object.fromEntries(gradients.map(([name, all]) => [name, tensorOf(sliceOf(all, step))]))
    ;({ params, state } = optimizer.update(params, grads, state))
    ;({ params, state } = await machine.settle({ params, state }))
    const names = Object.keys(params)
    const got = await machine.read(Object.values(params))
    const finding = firstOf(
      names.map((name, k) => {
        const trace = traces.get(name)
        if (trace === undefined) return `no trace of ${name}`
        const tolerance = toleranceOf(entry, 'out', trace.dtype, tolerances)
        return checkResult(entry, machine, `${name}.trace step ${step} `, got[k], sliceOf(trace, step), tolerance)
      }),
    )
    if (finding !== null) return finding
  }
  return null
}

/** Slice t of the leading axis. */
function sliceOf({ dtype, shape, bytes }: HostTensor, t: number): HostTensor {
  const size = bytes.length / shape[0]
  return { dtype, shape: shape.slice(1), bytes: bytes.subarray(t * size, (t + 1) * size) }
}

async function runNewtonSchulz(trial: Trial): Promise<string | null> {
  const { entry, attrs, stored } = trial
  const matrix = stored.tensor(entry.inputs[0])
  const result = newtonSchulz(matrix, {
    steps: attrs.number('steps'),
    coefficients: attrs.numbers('coefficients') as [number, number, number],
    eps: attrs.number('eps'),
  })
  return checkOne(trial, result)
}

async function runClipByValue(trial: Trial): Promise<string | null> {
  const { entry, attrs, stored } = trial
  const clipped = clipByValue({ value: stored.tensor(entry.inputs[0]) }, attrs.number('limit'))
  return checkOne(trial, clipped.value)
}

async function checkOne({ entry, stored, tolerances, context }: Trial, result: Tensor): Promise<string | null> {
  const want = stored.host(entry.outputs[0])
  const [got] = await context.machine.read([result])
  return checkResult(entry, context.machine, 'out0', got, want, toleranceOf(entry, 'out', want.dtype, tolerances))
}

/**
 * Gradients before and after clipping have the same names in the index, so a file can hold only one of them; the stored
 * norm tells which: it is the one before clipping. The other follows from the definition.
 */
async function runClipByGlobalNorm({ entry, attrs, stored, tolerances, context }: Trial): Promise<string | null> {
  const { machine } = context
  const maxNorm = attrs.number('maxNorm')
  const [normOutput, ...gradOutputs] = entry.outputs
  if (normOutput.name !== 'norm') throw new IndexError(`the first output must be norm, got ${normOutput.name}`)
  const wantNorm = stored.host(normOutput)
  const factor = Math.min(1, maxNorm / (numberOf(wantNorm) + 1e-6))
  const kept = entry.inputs.map((input) => stored.host(input))
  const keptNorm = Math.sqrt(
    kept.flatMap((host) => [...numbersOf(host)]).reduce((sum, value) => sum + value * value, 0),
  )
  const areInputs = Math.abs(keptNorm - numberOf(wantNorm)) <= 1e-6 * numberOf(wantNorm)
  const inputs = areInputs ? kept : kept.map((host) => scaled(host, 1 / factor))
  const outputs = areInputs ? kept.map((host) => scaled(host, factor)) : kept
  const { grads, norm } = clipByGlobalNorm(
    Object.fromEntries(inputs.map((host, k) => [entry.inputs[k].name, tensorOf(host)])),
    maxNorm,
  )
  const got = await machine.read([norm, ...gradOutputs.map(({ name }) => grads[name])])
  const tolerance = toleranceOf(entry, 'out', wantNorm.dtype, tolerances)
  return firstOf([
    checkResult(entry, machine, 'norm', got[0], wantNorm, tolerance),
    ...gradOutputs.map(({ name }, k) => checkResult(entry, machine, name, got[k + 1], outputs[k], tolerance)),
  ])
}

function scaled(host: HostTensor, factor: number): HostTensor {
  return {
    ...host,
    bytes: bytesOf(
      numbersOf(host).map((value) => value * factor),
      host.dtype,
    ),
  }
}

/** values[0] starts the average, or with debias nothing does; the trace follows values[1], values[2] … */
async function runEma({ entry, attrs, stored, tolerances, context }: Trial): Promise<string | null> {
  const { machine } = context
  const average = ema({ decay: attrs.number('decay'), debias: attrs.boolean('debias') })
  const values = stored.host(entry.inputs[0])
  const want = stored.host(entry.outputs[0])
  const valueAt = (step: number): { value: Tensor } => ({ value: tensorOf(sliceOf(values, step)) })
  let state = average.init(valueAt(0))
  const trace: number[] = []
  for (let step = 1; step < values.shape[0]; step++) {
    state = await machine.settle(average.update(valueAt(step), state))
    const [got] = await machine.read([average.value(state).value])
    trace.push(...numbersOf(got))
  }
  const tolerance = toleranceOf(entry, 'out', want.dtype, tolerances)
  return compareNumbers('trace', want.shape, trace, numbersOf(want), { tolerance })
}
