/** The programs of a model: reading a chunk of a prompt, and one more token. Compiled once per size of batch and cache. */
import {
  type Backend,
  type CompiledFunction,
  type Tensor,
  arange,
  argmax,
  compile,
  crossEntropy,
  flattenTree,
  getDefaultBackend,
  logicalAnd,
  max,
} from '@tarazed/tensor'
import { type CausalModel } from '../causalModel.js'

/** What every step is given. B batch, T tokens of this step. */
type StepArguments<Cache> = [
  model: CausalModel<Cache>,
  cache: Cache, // donated
  ids: Tensor, // i32 [B,T]
  start: Tensor, // i32 []: rows of the cache in use
  pads: Tensor, // i32 [B]: rows of padding before each sequence
]

/** The ways to take T more tokens. */
export interface Steps<Cache> {
  /** Fills the cache only: no head, no logits. */
  readonly fill: CompiledFunction<StepArguments<Cache>, { cache: Cache }>
  /** logits f32 [B,V] of the last position. */
  readonly logits: CompiledFunction<StepArguments<Cache>, { cache: Cache; logits: Tensor }>
  /** ids i32 [B], the arg max of the last position, and the logits there, f32 [B]: NaN shows broken logits. */
  readonly best: CompiledFunction<StepArguments<Cache>, { cache: Cache; ids: Tensor; values: Tensor }>
  /**
   * How well every position predicts a target, i32 [B,T], -100 where nobody asks: cost in nats, f32 [B,T], and the arg max,
   * i32 [B,T].
   */
  readonly score: CompiledFunction<
    [...StepArguments<Cache>, targets: Tensor],
    { cache: Cache; costs: Tensor; ids: Tensor }
  >
}

/** Positions and visible rows of T tokens behind `start` rows. */
export function placeTokens(
  T: number,
  capacity: number,
  start: Tensor,
  pads: Tensor,
): { start: Tensor; positions: Tensor; mask: Tensor } {
  const padding = pads.reshape([pads.shape[0], 1]) // [B,1]
  const rows = arange(capacity).reshape([1, capacity])
  return {
    start,
    positions: arange(T).reshape([1, T]).add(start).sub(padding).maximum(0), // i32 [B,T]
    mask: logicalAnd(rows.greaterEqual(padding), rows.less(start.add(T))), // bool [B,capacity]
  }
}

function newSteps<Cache>(capacity: number): Steps<Cache> {
  const run = (last: boolean, ...[model, cache, ids, start, pads]: StepArguments<Cache>) =>
    model.forwardCached(ids, cache, { ...placeTokens(ids.shape[1], capacity, start, pads), last })
  const lastRow = (logits: Tensor): Tensor => logits.reshape([logits.shape[0], logits.shape[2]]) // [B,1,V] -> [B,V]
  const options = { donate: [1] }
  return {
    fill: compile((...args: StepArguments<Cache>) => ({ cache: run(true, ...args).cache }), options),
    logits: compile((...args: StepArguments<Cache>) => {
      const { logits, cache } = run(true, ...args)
      return { cache, logits: lastRow(logits) }
    }, options),
    best: compile((...args: StepArguments<Cache>) => {
      const { logits, cache } = run(true, ...args)
      const row = lastRow(logits)
      return { cache, ids: argmax(row, { axis: 1 }), values: max(row, { axes: 1 }) }
    }, options),
    score: compile((...[model, cache, ids, start, pads, targets]: [...StepArguments<Cache>, Tensor]) => {
      const { logits, cache: after } = run(false, model, cache, ids, start, pads)
      const costs = crossEntropy(logits, targets, { ignoreIndex: -100, reduction: 'none' })
      return { cache: after, costs, ids: argmax(logits, { axis: 2 }) }
    }, options),
  }
}

/** Kinds of programs that are kept for each backend and class of models. */
const KEPT = 32

/**
 * The steps for models of this structure, compiled before or not. They close over no model: a model whose parameters changed
 * (during training) uses them again.
 */
export function stepsFor<Cache>(model: CausalModel<Cache>, batch: number, capacity: number): Steps<Cache> {
  const known = programsOf(model)
  const key = keyOf(model, batch, capacity)
  const steps = (known.get(key) as Steps<Cache> | undefined) ?? newSteps<Cache>(capacity)
  known.delete(key)
  known.set(key, steps) // the last one is the newest
  if (known.size > KEPT) known.delete(known.keys().next().value as string)
  return steps
}

/** Whether `stepsFor` has been asked for these before, so that they need not be compiled. */
export function hasSteps(model: CausalModel<unknown>, batch: number, capacity: number): boolean {
  return programsOf(model).has(keyOf(model, batch, capacity))
}

function keyOf(model: CausalModel<unknown>, batch: number, capacity: number): string {
  return `${batch}|${capacity}|${structureOf(model)}`
}

const programs = new WeakMap<Backend, WeakMap<object, Map<string, unknown>>>()

/** By backend and class: two classes may have equal names and fields. */
function programsOf(model: CausalModel<unknown>): Map<string, unknown> {
  const backend = getDefaultBackend()
  const ofBackend = programs.get(backend) ?? new WeakMap<object, Map<string, unknown>>()
  programs.set(backend, ofBackend)
  const kind = model.constructor
  const known = ofBackend.get(kind) ?? new Map<string, unknown>()
  ofBackend.set(kind, known)
  return known
}

/** Equal for models that differ in the values of their tensors only. */
export function structureOf(model: CausalModel<unknown>): string {
  const { leaves, def } = flattenTree(model)
  return `${def.key}${leaves.map((leaf) => `${leaf.dtype}${leaf.shape.join('x')}`).join(' ')}`
}
