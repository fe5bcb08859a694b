/**
 * What an optimiser is, and how one is made from a formula for a single parameter.
 *
 * The files beside this one (`sgd.ts`, `adam.ts`, …) hold formulas only; walking the tree, slots, precision and checks are here.
 */
import { ArgumentError, DTypeError, ShapeError, Tensor, cast, flattenTree, scalar, zeros } from '@tarazed/tensor'
import { requireFunction, requireNumber, requireTensor, shown } from '../check.js'
import { parameterName } from '../parameterNames.js'
import { type Rate, rateAt } from './schedule.js'

/** Tensors by parameter name. */
export type NamedTensors = Readonly<Record<string, Tensor>>

/** All that an optimiser remembers. Plain data: an argument and a result of compiled functions, and what a checkpoint stores. */
export interface OptimizerState {
  /** i32 []: updates done. */
  readonly step: Tensor
  /** What is kept for every parameter, in f32: kind of slot → parameter name → tensor. Kinds are named as in torch.optim. */
  readonly slots: Readonly<Record<string, NamedTensors>>
}

/** A pair of pure functions. `params` and `grads` are trees of one structure: a record of tensors, a module, nested ones. */
export interface Optimizer {
  readonly name: string
  /** The state before the first update. */
  init(params: unknown): OptimizerState
  /**
   * One update.
   *
   * @returns new parameters, in the tree, shapes and dtypes of `params`, and the new state
   * @throws ShapeError, DTypeError or ArgumentError when a parameter, its gradient and the state do not belong together
   */
  update<P>(params: P, grads: P, state: OptimizerState): { params: P; state: OptimizerState }
}

/** Which parameters are decayed. */
export type DecayFor = (name: string, parameter: Tensor) => boolean

/** Decays matrices and larger tensors, leaves out biases and the weights of norms. */
export const matricesOnly: DecayFor = (_name, parameter) => {
  requireTensor('matricesOnly', 'the parameter', parameter, 'give it uncalled, as in { decayFor: matricesOnly }')
  return parameter.rank >= 2
}

/** Options that every optimiser has. */
export interface CommonOptions {
  /** Learning rate: a number, a rank-0 f32 tensor, or a schedule of the number of updates done before. */
  readonly lr?: Rate
  readonly weightDecay?: number
  /** Default: every parameter. */
  readonly decayFor?: DecayFor
}

/** Names of `CommonOptions`, for checks. */
export const COMMON_OPTIONS = ['lr', 'weightDecay', 'decayFor'] as const

/** @throws ArgumentError for a rate that is neither a number of at least 0, a tensor nor a schedule, and for other wrong options */
export function checkCommon(op: string, { lr, weightDecay, decayFor }: CommonOptions): void {
  if (lr !== undefined) requireRate(op, lr)
  if (weightDecay !== undefined) requireNumber(op, 'weightDecay', weightDecay, 0)
  if (decayFor !== undefined) requireFunction(op, 'decayFor', decayFor)
}

function requireRate(op: string, lr: unknown): void {
  if (typeof lr === 'function' || lr instanceof Tensor || (typeof lr === 'number' && lr >= 0 && lr < Infinity)) return
  throw new ArgumentError(
    `${op}: lr is a number of at least 0, a tensor or a schedule, got ${shown(lr)}; write { lr: 1e-3 } or { lr: cosine({ … }) }`,
  )
}

/** Values that all parameters share in one update, made once. */
export interface UpdateClock {
  /** f32 []: the number of this update, from 1. */
  readonly t: Tensor
  /** f32 []: the learning rate of this update. */
  readonly lr: Tensor
}

/** The formula of an optimiser for one parameter; every value it sees is f32. `Shared` is what it computes once an update. */
export interface ParameterRule<Shared> {
  readonly name: string
  readonly lr: Rate
  /**
   * The slots of a parameter by kind, with their shapes; they start at zero.
   * @throws ShapeError for a parameter that the rule cannot update
   */
  slotShapes(name: string, parameter: Tensor): SlotShapes
  share(clock: UpdateClock): Shared
  apply(one: OneParameter, shared: Shared): OneUpdate
}

/** Shapes by kind of slot. */
export type SlotShapes = Readonly<Record<string, readonly number[]>>

/** What a rule gives for one parameter; `slots` by kind. */
export interface OneUpdate {
  readonly parameter: Tensor
  readonly slots: NamedTensors
}

/** What a rule gets for one parameter. */
export interface OneParameter {
  readonly name: string
  readonly parameter: Tensor
  readonly grad: Tensor
  /** By kind, as `slotShapes` lists them. */
  readonly slots: NamedTensors
}

/** Makes an optimiser of a rule. @throws ArgumentError for anything but a rule */
export function optimizerFrom<Shared>(rule: ParameterRule<Shared>): Optimizer {
  const { slotShapes, share, apply } = (rule ?? {}) as Partial<ParameterRule<Shared>>
  for (const [name, part] of Object.entries({ slotShapes, share, apply })) requireFunction('optimizerFrom', name, part)
  return {
    name: rule.name,
    init: (params) => initialState(rule, params),
    update: (params, grads, state) => updateAll(rule, params, grads, state),
  }
}

type MutableSlots = Record<string, Record<string, Tensor>>

function initialState<Shared>(rule: ParameterRule<Shared>, params: unknown): OptimizerState {
  const slots: MutableSlots = {}
  for (const [name, parameter] of namedLeaves(rule.name, params))
    for (const [kind, shape] of Object.entries(rule.slotShapes(name, parameter)))
      (slots[kind] ??= {})[name] = zeros(shape)
  return { step: scalar(0, { dtype: 'i32' }), slots }
}

function updateAll<Shared, P>(
  rule: ParameterRule<Shared>,
  params: P,
  grads: P,
  state: OptimizerState,
): { params: P; state: OptimizerState } {
  requireState(rule.name, state)
  const parameters = namedLeaves(rule.name, params)
  const gradients = gradientsFor(rule.name, parameters, grads)
  const done = cast(state.step, 'f32')
  const shared = rule.share({ t: done.add(1), lr: rateAt(rule.lr, done) })
  const slots: MutableSlots = {}
  const updated = parameters.map(([name, parameter], k) => {
    const before = slotsOf(rule, state, name, parameter)
    const one = { name, parameter: cast(parameter, 'f32'), grad: cast(gradients[k], 'f32'), slots: before }
    const after = rule.apply(one, shared)
    for (const [kind, value] of Object.entries(after.slots)) (slots[kind] ??= {})[name] = value
    return cast(after.parameter, parameter.dtype)
  })
  return { params: flattenTree(params).def.build(updated) as P, state: { step: state.step.add(1), slots } }
}

/**
 * Every tensor of a tree of parameters with its name.
 * @throws DTypeError for a tensor that has no gradient
 */
export function namedLeaves(optimizer: string, tree: unknown): [string, Tensor][] {
  const { leaves, def } = flattenTree(tree)
  return leaves.map((leaf, k) => {
    const name = parameterName(def.paths[k])
    if (leaf.dtype !== 'f32' && leaf.dtype !== 'bf16' && leaf.dtype !== 'f16')
      throw new DTypeError(
        `${optimizer}: parameters are f32, bf16 or f16, got ${leaf.dtype} for ${name}; keep it out of the tree that is trained`,
      )
    return [name, leaf]
  })
}

/** @throws ArgumentError for anything but the state of an optimiser */
export function requireState(optimizer: string, state: OptimizerState): void {
  const { step, slots } = (state ?? {}) as Partial<OptimizerState>
  if (!(step instanceof Tensor) || typeof slots !== 'object')
    throw new ArgumentError(
      `${optimizer}.update: the state is what init gives, got ${shown(state)}; write update(params, grads, optimizer.init(params))`,
    )
}

function gradientsFor(optimizer: string, parameters: readonly [string, Tensor][], grads: unknown): Tensor[] {
  const byName = new Map(namedLeaves(optimizer, grads))
  const known = new Set(parameters.map(([name]) => name))
  for (const name of byName.keys())
    if (!known.has(name))
      throw new ArgumentError(
        `${optimizer}.update: got a gradient for ${name}, which is none of the parameters; take gradients with respect to the same tree`,
      )
  return parameters.map(([name, parameter]) => {
    const gradient = byName.get(name)
    if (gradient === undefined)
      throw new ArgumentError(
        `${optimizer}.update: every parameter needs a gradient, got none for ${name}; take gradients with respect to the same tree`,
      )
    if (!sameShape(gradient.shape, parameter.shape))
      throw new ShapeError(
        `${optimizer}.update: a gradient has the shape of its parameter, got [${gradient.shape.join(', ')}] for ${name} of [${parameter.shape.join(', ')}]; check the loss`,
      )
    return gradient
  })
}

function slotsOf<Shared>(
  rule: ParameterRule<Shared>,
  state: OptimizerState,
  name: string,
  parameter: Tensor,
): NamedTensors {
  const own: Record<string, Tensor> = {}
  for (const [kind, shape] of Object.entries(rule.slotShapes(name, parameter))) {
    const slot = state.slots[kind]?.[name]
    if (slot === undefined || !sameShape(slot.shape, shape))
      throw new ArgumentError(
        `${rule.name}.update: the state keeps ${kind} [${shape.join(', ')}] for ${name}, got ${slot === undefined ? 'none' : `[${slot.shape.join(', ')}]`}; make the state with init(params) of this optimiser and these parameters`,
      )
    own[kind] = slot
  }
  return own
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, k) => extent === b[k])
}
