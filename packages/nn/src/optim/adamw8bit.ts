/** AdamW whose moments take one byte an element. */
import { ArgumentError, type Tensor, cast, checkOptions, flattenTree, full, scalar, zeros } from '@tarazed/tensor'
import { requireNumber, requirePair } from '../check.js'
import { type Blocks, BLOCK, type Levels, blockCount, fromBlocks, toBlocks, zeroCode } from './blockwise8bit.js'
import { shrinkage, shrunk } from './decay.js'
import {
  COMMON_OPTIONS,
  type CommonOptions,
  type NamedTensors,
  type Optimizer,
  type OptimizerState,
  checkCommon,
  namedLeaves,
  requireState,
} from './optimizer.js'
import { rateAt } from './schedule.js'

/**
 * Options of `adamw8bit`. Defaults: lr 1e-3, betas [0.9, 0.999], eps 1e-8, weight decay 0.01, parameters of fewer than 4,096
 * elements keep f32 moments.
 */
export interface Adamw8bitOptions extends CommonOptions {
  readonly betas?: readonly [number, number]
  readonly eps?: number
  /** Parameters of fewer elements keep f32 moments: norms cost little and matter much. */
  readonly minElements?: number
}

/**
 * AdamW with block-wise 8-bit moments (arXiv 2110.02861): 2.03 bytes of state a parameter instead of 8. Every update widens
 * the moments, steps as `adamw` does in f32, and rounds them again. Slots of a large parameter are `exp_avg` and
 * `exp_avg_sq`, u8, and `exp_avg_scale`, `exp_avg_sq_scale`, f32, one number for 256 elements.
 *
 * @throws ArgumentError for an unknown option or a number out of range
 */
export function adamw8bit(options: Adamw8bitOptions = {}): Optimizer {
  const {
    lr = 1e-3,
    betas = [0.9, 0.999],
    eps = 1e-8,
    weightDecay = 0.01,
    decayFor,
    minElements = 4096,
  } = checkOptions(NAME, options, [...COMMON_OPTIONS, 'betas', 'eps', 'minElements'])
  checkCommon(NAME, options)
  requirePair(NAME, 'betas', betas, 0, 1)
  requireNumber(NAME, 'eps', eps, 0)
  requireNumber(NAME, 'minElements', minElements, 0)
  const [beta1, beta2] = betas
  const isLarge = ({ size }: Tensor): boolean => size >= minElements
  return {
    name: NAME,
    init: (params) => {
      const slots: MutableSlots = {}
      for (const [name, parameter] of namedLeaves(NAME, params)) {
        keep(slots, 'exp_avg', name, parameter, isLarge, blank(parameter, 'signed', isLarge))
        keep(slots, 'exp_avg_sq', name, parameter, isLarge, blank(parameter, 'unsigned', isLarge))
      }
      return { step: scalar(0, { dtype: 'i32' }), slots }
    },
    update: (params, grads, state) => {
      requireState(NAME, state)
      const gradients = new Map(namedLeaves(NAME, grads))
      const done = cast(state.step, 'f32')
      const t = done.add(1)
      const rate = rateAt(lr, done)
      const stepSize = rate.div(biasCorrection(beta1, t))
      const rootScale = biasCorrection(beta2, t).rsqrt()
      const shrink = shrinkage(rate, weightDecay)
      const slots: MutableSlots = {}
      const leaves = namedLeaves(NAME, params)
      checkNames(leaves, gradients)
      const updated = leaves.map(([name, leaf]) => {
        const [parameter, grad] = [cast(leaf, 'f32'), cast(gradientOf(gradients, name, leaf), 'f32')]
        const before = (kind: Kind): Tensor => moment(state, kind, name, leaf, isLarge)
        const mean = before('exp_avg')
          .mul(beta1)
          .add(grad.mul(1 - beta1))
        const square = before('exp_avg_sq')
          .mul(beta2)
          .add(grad.square().mul(1 - beta2))
        const step = mean.mul(stepSize).div(square.sqrt().mul(rootScale).add(eps))
        keep(slots, 'exp_avg', name, leaf, isLarge, mean)
        keep(slots, 'exp_avg_sq', name, leaf, isLarge, square)
        const decayed = shrunk({ name, parameter, grad, slots: {} }, shrink, decayFor)
        return cast(decayed.sub(step), leaf.dtype)
      })
      const next = flattenTree(params).def.build(updated) as typeof params
      return { params: next, state: { step: state.step.add(1), slots } }
    },
  }
}

const NAME = 'adamw8bit'

type MutableSlots = Record<string, Record<string, Tensor>>
type Kind = 'exp_avg' | 'exp_avg_sq'
const LEVELS: Readonly<Record<Kind, Levels>> = { exp_avg: 'signed', exp_avg_sq: 'unsigned' }

/** A moment of nothing: zeros, or the blocks that mean them. */
function blank(parameter: Tensor, levels: Levels, isLarge: (parameter: Tensor) => boolean): Tensor | Blocks {
  if (!isLarge(parameter)) return zeros(parameter.shape)
  const blocks = blockCount(parameter.size)
  return { codes: full([blocks * BLOCK], zeroCode(levels), { dtype: 'u8' }), scale: zeros([blocks]) }
}

function keep(
  slots: MutableSlots,
  kind: Kind,
  name: string,
  parameter: Tensor,
  isLarge: (parameter: Tensor) => boolean,
  value: Tensor | Blocks,
): void {
  if (!isLarge(parameter)) {
    ;(slots[kind] ??= {})[name] = value as Tensor
    return
  }
  const { codes, scale } = 'codes' in value ? value : toBlocks(value.reshape([value.size]), LEVELS[kind])
  ;(slots[kind] ??= {})[name] = codes
  ;(slots[`${kind}_scale`] ??= {})[name] = scale
}

/** A moment in f32, in the shape of its parameter. */
function moment(
  state: OptimizerState,
  kind: Kind,
  name: string,
  parameter: Tensor,
  isLarge: (parameter: Tensor) => boolean,
): Tensor {
  const codes = slotOf(state.slots[kind], kind, name)
  if (!isLarge(parameter)) return checked(codes, kind, name, 'f32', parameter.shape)
  const blocks = blockCount(parameter.size)
  checked(codes, kind, name, 'u8', [blocks * BLOCK])
  const scale = slotOf(state.slots[`${kind}_scale`], `${kind}_scale`, name)
  checked(scale, `${kind}_scale`, name, 'f32', [blocks])
  return fromBlocks({ codes, scale }, parameter.size, LEVELS[kind]).reshape(parameter.shape)
}

function slotOf(slots: NamedTensors | undefined, kind: string, name: string): Tensor {
  const slot = slots?.[name]
  if (slot === undefined)
    throw new ArgumentError(
      `${NAME}.update: the state keeps ${kind} for ${name}, got none; make the state with init(params) of this optimiser`,
    )
  return slot
}

function checked(slot: Tensor, kind: string, name: string, dtype: string, shape: readonly number[]): Tensor {
  if (slot.dtype !== dtype || slot.shape.join() !== shape.join())
    throw new ArgumentError(
      `${NAME}.update: the state keeps ${kind} as ${dtype} [${shape.join(', ')}] for ${name}, got ${slot.dtype} [${slot.shape.join(', ')}]; make the state with init(params) of this optimiser and these parameters`,
    )
  return slot
}

function gradientOf(gradients: ReadonlyMap<string, Tensor>, name: string, leaf: Tensor): Tensor {
  const gradient = gradients.get(name)
  if (gradient === undefined || gradient.shape.join() !== leaf.shape.join())
    throw new ArgumentError(
      `${NAME}.update: a gradient has the shape of its parameter, got ${gradient === undefined ? 'none' : `[${gradient.shape.join(', ')}]`} for ${name} of [${leaf.shape.join(', ')}]; check the loss`,
    )
  return gradient
}

function checkNames(leaves: readonly [string, Tensor][], gradients: ReadonlyMap<string, Tensor>): void {
  const known = new Set(leaves.map(([name]) => name))
  const stranger = [...gradients.keys()].find((name) => !known.has(name))
  if (stranger !== undefined)
    throw new ArgumentError(
      `${NAME}.update: got a gradient for ${stranger}, which is none of the parameters; take gradients with respect to the same tree`,
    )
}

/** 1 - βᵗ as -expm1(t·ln β): with β = 0.999 the plain difference keeps only four digits in f32. */
function biasCorrection(beta: number, t: Tensor): Tensor {
  return t.mul(Math.log(beta)).expm1().neg()
}
