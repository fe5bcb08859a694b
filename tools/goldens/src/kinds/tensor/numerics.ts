/** Group `numerics`: error bounds, extreme values, mixed-precision training, loss scaling. The notes of the cases are the rules. */
import { keepIf, lossScaling } from '@tarazed/nn/optim'
import {
  cast,
  crossEntropy,
  layerNorm,
  logSoftmax,
  logsumexp,
  matmul,
  mean,
  mul,
  relu,
  add,
  slice,
  softmax,
  sub,
  sum,
  tensor,
  topk,
  valueAndGrad,
  variance,
  type Tensor,
} from '@tarazed/tensor'
import { type Attributes } from '../../attributes.js'
import { type CaseContext } from '../../case.js'
import { compareNumbers, type Tolerance } from '../../compare.js'
import { numberOf, numbersOf, type HostTensor } from '../../hostTensor.js'
import { CaseTensors, IndexError, tensorOf } from '../../stored.js'
import { checkResult, firstOf } from './check.js'
import { attributesOf, toleranceOf, type TensorEntry, type Tolerances } from './entry.js'
import { operatorOf } from './operators.js'
import { pullBack } from './pullBack.js'
import { makeInputs } from './recipe.js'

/** What a case of this group works with. */
class Trial {
  readonly entry: TensorEntry
  readonly attrs: Attributes
  readonly context: CaseContext
  /** All entries of the index. */
  readonly entries: readonly TensorEntry[]
  readonly #stored: CaseTensors
  readonly #tolerances: Tolerances

  constructor(entry: TensorEntry, entries: readonly TensorEntry[], tolerances: Tolerances, context: CaseContext) {
    this.entry = entry
    this.attrs = attributesOf(entry)
    this.context = context
    this.entries = entries
    this.#stored = new CaseTensors(context.files, entry.file, entry.key)
    this.#tolerances = tolerances
  }

  /** A stored input or output by name. */
  host(name: string): HostTensor {
    const promised = [...this.entry.inputs, ...this.entry.outputs].find((stored) => stored.name === name)
    if (promised === undefined) throw new IndexError(`the case must have ${name}`)
    return this.#stored.host(promised)
  }

  tensor(name: string): Tensor {
    return tensorOf(this.host(name))
  }

  read(...tensors: Tensor[]): Promise<HostTensor[]> {
    return this.context.machine.read(tensors)
  }

  /** Compares a result with the stored output of that name. */
  check(name: string, got: HostTensor, tolerance?: Tolerance): string | null {
    const want = this.host(name)
    return checkResult(this.entry, this.context.machine, name, got, want, tolerance ?? this.tolerance(want.dtype))
  }

  tolerance(dtype: string): Tolerance {
    return toleranceOf(this.entry, 'out', dtype, this.#tolerances)
  }
}

const NUMERICS: Readonly<Record<string, (trial: Trial) => Promise<string | null>>> = {
  'numerics.matmulLongK': matmulLongK,
  'numerics.sumMillion': (trial) => foldMillion(trial, sum, 'absSum'),
  'numerics.meanMillion': (trial) => foldMillion(trial, mean, 'absMean'),
  'numerics.varianceOffset': varianceOffset,
  'numerics.layerNormOffset': layerNormOffset,
  'numerics.softmaxVocabulary': softmaxVocabulary,
  'numerics.softmaxLarge': (trial) => largeLogits(trial, softmax),
  'numerics.logSoftmaxLarge': (trial) => largeLogits(trial, logSoftmax),
  'numerics.smallArgument': smallArgument,
  'numerics.trainF32': trainF32,
  'numerics.trainBf16': trainBf16,
  'numerics.lossScaleTrace': lossScaleTrace,
  'numerics.lossScaleUnscale': lossScaleUnscale,
}

export async function runNumerics(
  entry: TensorEntry,
  entries: readonly TensorEntry[],
  tolerances: Tolerances,
  context: CaseContext,
): Promise<string | null> {
  if (!Object.hasOwn(NUMERICS, entry.op)) throw new IndexError(`no runner for operator ${entry.op}`)
  const trial = new Trial(entry, entries, tolerances, context)
  const finding = await NUMERICS[entry.op](trial)
  const unread = trial.attrs.unread().filter((name) => !DESCRIPTIVE.has(name))
  if (unread.length > 0) throw new IndexError(`the runner does not know the attributes ${unread.join(', ')}`)
  return finding
}

/** Attributes that say how the data was made or what would be better still; they ask for nothing. */
const DESCRIPTIVE = new Set(['k', 'distribution', 'goal'])

/** |got - exact| ≤ factor · 2^-24 · Σ|terms|, and half a unit in the last place more for a 16-bit result. */
async function matmulLongK(trial: Trial): Promise<string | null> {
  const [got] = await trial.read(matmul(trial.tensor('a'), trial.tensor('b')))
  return withinBound(trial, got, trial.host('absDot'))
}

async function foldMillion(trial: Trial, fold: (x: Tensor) => Tensor, absolute: string): Promise<string | null> {
  const x = makeInputs(trial.attrs.text('recipe'), trial.attrs.number('n'), trial.attrs.number('multiplier'))
  const [got] = await trial.read(fold(tensor(x)))
  return withinBound(trial, got, trial.host(absolute))
}

function withinBound(trial: Trial, got: HostTensor, absolute: HostTensor): string | null {
  const exact = trial.host('exact')
  if (got.shape.join() !== exact.shape.join())
    return `got shape [${got.shape.join(', ')}], want [${exact.shape.join(', ')}]`
  const unit = trial.attrs.number('factor') * 2 ** -24
  const terms = numbersOf(absolute)
  const want = numbersOf(exact)
  const lines = [...numbersOf(got)].map((value, k) => {
    const bound = unit * terms[k] + halfUlp(want[k], got.dtype)
    return compareNumbers(`element ${k} of exact`, [], [value], [want[k]], { tolerance: [0, bound] })
  })
  return firstOf(lines)
}

/** Half the distance of neighbours of a 16-bit float; 0 for f32, whose rounding the bound includes. */
function halfUlp(value: number, dtype: string): number {
  const fractionBits = dtype === 'f16' ? 10 : dtype === 'bf16' ? 7 : null
  if (fractionBits === null) return 0
  const smallest = dtype === 'f16' ? -14 : -126
  const exponent = value === 0 ? smallest : Math.max(smallest, Math.floor(Math.log2(Math.abs(value))))
  return 2 ** (exponent - fractionBits - 1)
}

async function varianceOffset(trial: Trial): Promise<string | null> {
  const axes = [trial.attrs.number('axis')]
  const x = trial.tensor('in0')
  const [gotMean, gotVariance] = await trial.read(
    mean(x, { axes }),
    variance(x, { axes, correction: trial.attrs.number('correction') }),
  )
  return firstOf([trial.check('mean', gotMean, [1e-6, 0]), trial.check('var', gotVariance)])
}

async function layerNormOffset(trial: Trial): Promise<string | null> {
  const x = trial.tensor('in0')
  const axes = x.rank - trial.attrs.number('axis')
  const [got] = await trial.read(layerNorm(x, null, null, { axes, eps: trial.attrs.number('eps') }))
  return trial.check('out0', got)
}

async function softmaxVocabulary(trial: Trial): Promise<string | null> {
  const x = tensor(makeInputs(trial.attrs.text('recipe'), trial.attrs.number('n'), trial.attrs.number('multiplier')))
  const probabilities = softmax(x)
  const [topProbability, topIndex] = topk(probabilities, trial.host('topIndex').shape[0])
  const sample = slice(probabilities, [[null, null, trial.attrs.number('every')]])
  const [lse, index, top, some, all] = await trial.read(logsumexp(x), topIndex, topProbability, sample, probabilities)
  const total = numbersOf(all).reduce((folded, value) => folded + value, 0)
  return firstOf([
    trial.check('lse', lse),
    trial.check('topIndex', index, [0, 0]),
    trial.check('topProb', top),
    trial.check('sample', some),
    Math.abs(total - 1) <= 1e-5 ? null : `probabilities must sum to 1 within 1e-5, got ${total}`,
  ])
}

async function largeLogits(
  trial: Trial,
  apply: (x: Tensor, options: { axis: number }) => Tensor,
): Promise<string | null> {
  const axis = trial.attrs.number('axis')
  const { outputs, gradients } = pullBack(
    ([x]) => [apply(x, { axis })],
    [trial.tensor('x')],
    [0],
    [0],
    [trial.tensor('gradOut')],
  )
  const [out, gradient] = await trial.read(outputs[0], gradients[0])
  return firstOf([trial.check('out', out), trial.check('gradIn', gradient)])
}

async function smallArgument(trial: Trial): Promise<string | null> {
  const result = operatorOf(trial.attrs.text('op'))([trial.tensor('in0')], trial.attrs)
  const [got] = await trial.read(result as Tensor)
  return trial.check('out0', got)
}

type Parameters = Record<'w1' | 'b1' | 'w2' | 'b2', Tensor>

const TRAIN_F32 =
  'logits = relu(x @ w1 + b1) @ w2 + b2; loss = crossEntropy(logits, target), mean; plain SGD on the full batch; lossTrace[i] is the loss before update i+1, the last one after all'
const TRAIN_BF16 = `${TRAIN_F32}; x and the weights are cast to bf16 for forward and backward, logits cast to f32 for the loss, gradients cast to f32, the update acts on f32 master weights`

/** The network of both training programs, computed in `dtype` with the loss in f32. */
function lossIn(dtype: 'f32' | 'bf16', x: Tensor, target: Tensor): (params: Parameters) => Tensor {
  return (params) => {
    const narrow = (value: Tensor): Tensor => (dtype === 'f32' ? value : cast(value, dtype))
    const hidden = relu(add(matmul(narrow(x), narrow(params.w1)), narrow(params.b1)))
    const logits = add(matmul(hidden, narrow(params.w2)), narrow(params.b2))
    return crossEntropy(cast(logits, 'f32'), target)
  }
}

/** Plain gradient descent on f32 parameters: every loss, and the parameters at the end. */
async function train(
  trial: Trial,
  start: Parameters,
  dtype: 'f32' | 'bf16',
): Promise<{ losses: number[]; params: Parameters }> {
  const { machine } = trial.context
  const loss = lossIn(dtype, trial.tensor('x'), trial.tensor('target'))
  const lr = trial.attrs.number('lr')
  const steps = trial.attrs.number('steps')
  const losses: number[] = []
  let params = start
  for (let step = 0; step < steps; step++) {
    const [value, grads] = valueAndGrad(loss)(params)
    const updated = (name: keyof Parameters): Tensor => sub(params[name], mul(grads[name], lr))
    const next = { w1: updated('w1'), b1: updated('b1'), w2: updated('w2'), b2: updated('b2') }
    const settled = await machine.settle({ value, next })
    losses.push(numberOf((await trial.read(settled.value))[0]))
    params = settled.next
  }
  losses.push(numberOf((await trial.read(loss(params)))[0]))
  return { losses, params }
}

function storedParameters(trial: Trial): Parameters {
  return { w1: trial.tensor('w1'), b1: trial.tensor('b1'), w2: trial.tensor('w2'), b2: trial.tensor('b2') }
}

/**
 * Parameters before and after training have the same names in the index, so a file can hold only one of them: the
 * loss tells which. When it is those after, the case in bf16 with the same data holds those before.
 */
async function trainF32(trial: Trial): Promise<string | null> {
  requireProgram(trial, TRAIN_F32)
  const kept = storedParameters(trial)
  const trace = numbersOf(trial.host('lossTrace'))
  const [keptLoss] = await trial.read(lossIn('f32', trial.tensor('x'), trial.tensor('target'))(kept))
  const areInitial = Math.abs(numberOf(keptLoss) - trace[0]) < Math.abs(numberOf(keptLoss) - trace[trace.length - 1])
  const { losses, params } = await train(trial, areInitial ? kept : initialParameters(trial), 'f32')
  const finding = checkLosses(trial, 'lossTrace', losses)
  if (finding !== null || areInitial) return finding
  const got = await trial.read(params.w1, params.b1, params.w2, params.b2)
  return firstOf(['w1', 'b1', 'w2', 'b2'].map((name, k) => trial.check(name, got[k])))
}

/** Of the bf16 case that trains on the same data at the same rate. */
function initialParameters(trial: Trial): Parameters {
  const { entry, entries, context, attrs } = trial
  const data = trial.host('x').bytes
  for (const other of entries) {
    if (other.op !== 'numerics.trainBf16' || other.attrs.lr !== attrs.number('lr')) continue
    const twin = new Trial(other, entries, {}, context)
    if (Buffer.compare(twin.host('x').bytes, data) === 0) return storedParameters(twin)
  }
  throw new IndexError(`${entry.id}: neither this case nor one in bf16 on the same data holds the initial parameters`)
}

async function trainBf16(trial: Trial): Promise<string | null> {
  requireProgram(trial, TRAIN_BF16)
  const start = storedParameters(trial)
  const narrow = await train(trial, start, 'bf16')
  const wide = await train(trial, start, 'f32')
  return firstOf([checkLosses(trial, 'lossTrace', narrow.losses), checkLosses(trial, 'lossTraceF32', wide.losses)])
}

function requireProgram(trial: Trial, known: string): void {
  const program = trial.attrs.text('program')
  if (program !== known) throw new IndexError(`no runner for the program ${program}`)
}

function checkLosses(trial: Trial, name: string, losses: readonly number[]): string | null {
  const want = trial.host(name)
  return compareNumbers(name, want.shape, losses, numbersOf(want), { tolerance: trial.tolerance(want.dtype) })
}

/** Scale and count after every step; a step with an infinity changes no parameter. */
async function lossScaleTrace(trial: Trial): Promise<string | null> {
  const { attrs } = trial
  const { machine } = trial.context
  const scaling = lossScaling({
    initScale: attrs.number('initScale'),
    growthFactor: attrs.number('growthFactor'),
    backoffFactor: attrs.number('backoffFactor'),
    growthInterval: attrs.number('growthInterval'),
  })
  const scales: number[] = []
  const counts: number[] = []
  let state = scaling.init()
  const before = tensor([1, 2])
  const after = tensor([3, 4])
  for (const [step, flag] of numbersOf(trial.host('foundInf')).entries()) {
    const foundInf = tensor(flag !== 0)
    const { next, kept } = await machine.settle({
      next: scaling.update(state, foundInf),
      kept: keepIf(foundInf, before, after),
    })
    state = next
    const [scale, goodSteps, parameters] = await trial.read(state.scale, state.goodSteps, kept)
    scales.push(numberOf(scale))
    counts.push(numberOf(goodSteps))
    const wanted = flag !== 0 ? [1, 2] : [3, 4]
    const moved = compareNumbers(`parameters of step ${step}`, [2], numbersOf(parameters), wanted, {
      tolerance: [0, 0],
    })
    if (moved !== null) return moved
  }
  const exact = { tolerance: [0, 0] as const }
  return firstOf([
    compareNumbers('scale', [scales.length], scales, numbersOf(trial.host('scale')), exact),
    compareNumbers('goodSteps', [counts.length], counts, numbersOf(trial.host('goodSteps')), exact),
  ])
}

async function lossScaleUnscale(trial: Trial): Promise<string | null> {
  const scale = trial.attrs.number('scale')
  const trueGradient = trial.tensor('trueGrad')
  const scaling = lossScaling({ initScale: scale })
  const scaled = cast(mul(trueGradient, scale), 'f16')
  const { grads, foundInf } = scaling.unscale({ value: trial.tensor('scaledGrad') }, scaling.init())
  const [gotScaled, unscaled, found] = await trial.read(scaled, grads.value, foundInf)
  const zeros = numbersOf(gotScaled).filter((value) => value === 0).length
  const want = numberOf(trial.host('zeros'))
  return firstOf([
    trial.check('scaledGrad', gotScaled, [0, 0]),
    trial.check('unscaled', unscaled),
    trial.check('foundInf', found),
    zeros === want ? null : `zeros: got ${zeros} values that underflowed, want ${want}`,
  ])
}
