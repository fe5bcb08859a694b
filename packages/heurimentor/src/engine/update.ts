/** One update, compiled: gradients of micro-batches, their sum, clipping, the optimiser, and nothing at all when it overflowed. */
import { type LossScaling, type LossScalingState, type Optimizer, type OptimizerState } from '@tarazed/nn/optim'
import { clipByGlobalNorm, globalNorm, keepIf } from '@tarazed/nn/optim'
import { type Tensor, cast, compile, flattenTree, scalar, valueAndGrad } from '@tarazed/tensor'
import { type Loss, type SummedLoss, summed } from './lossOf.js'

/** What an update changes. Plain trees, donated to every update. */
export interface TrainingState<P> {
  readonly params: P
  readonly optimizer: OptimizerState
  /** Of dynamic loss scaling; null without. */
  readonly scaling: LossScalingState | null
}

/** What an update tells. All f32 []. */
export interface UpdateFigures {
  /** Mean loss of the batch. */
  readonly loss: Tensor
  /** Global norm of the gradients, before clipping. */
  readonly gradNorm: Tensor
  /** 1, or 0 when loss or gradients were not finite: then the state is as it was. */
  readonly applied: Tensor
}

/** Parts of an update that a run fixes. */
export interface UpdateParts<P, B> {
  readonly loss: (params: P, batch: B) => Loss
  readonly optimizer: (lr: Tensor) => Optimizer
  readonly clip: number | null
  readonly scaling: LossScaling | null
}

/** Updates the state with the gradients of some micro-batches of one size. */
export type Update<P, B> = (
  state: TrainingState<P>,
  microBatches: readonly B[],
  learningRate: number,
) => Promise<{ state: TrainingState<P>; figures: UpdateFigures }>

interface Sums<P> {
  readonly loss: SummedLoss
  readonly grads: P
}

/**
 * The compiled update of a run. One micro-batch is one program; several are one program for each and one for the update, so that
 * a batch that grows needs no new trace.
 */
export function compileUpdate<P, B>(parts: UpdateParts<P, B>): Update<P, B> {
  const whole = compile(
    (state: TrainingState<P>, batch: B, learningRate: Tensor) =>
      applyGradients(parts, state, gradientsOf(parts, state, batch), learningRate),
    { donate: ['state'] },
  )
  const first = compile((params: P, scaling: LossScalingState | null, batch: B) =>
    gradientsOf(parts, { params, scaling }, batch),
  )
  const next = compile(
    (params: P, scaling: LossScalingState | null, sums: Sums<P>, batch: B) =>
      added(sums, gradientsOf(parts, { params, scaling }, batch)),
    { donate: ['sums'] },
  )
  const apply = compile(
    (state: TrainingState<P>, sums: Sums<P>, learningRate: Tensor) => applyGradients(parts, state, sums, learningRate),
    { donate: ['state', 'sums'] },
  )
  return async (state, microBatches, learningRate) => {
    const [batch, ...rest] = microBatches
    if (rest.length === 0) return whole(state, batch, scalar(learningRate))
    let sums = await first(state.params, state.scaling, batch)
    for (const more of rest) sums = await next(state.params, state.scaling, sums, more)
    return apply(state, sums, scalar(learningRate))
  }
}

/** Sums over one micro-batch; gradients are those of the scaled sum, in f32. */
function gradientsOf<P, B>(
  { loss, scaling }: UpdateParts<P, B>,
  state: { readonly params: P; readonly scaling: LossScalingState | null },
  batch: B,
): Sums<P> {
  const [[, parts], grads] = valueAndGrad(
    (params: P): [Tensor, SummedLoss] => {
      const parts = summed(loss(params, batch))
      const scaled = scaling === null ? parts.sum : scaling.scaleLoss(parts.sum, state.scaling as LossScalingState)
      return [scaled, parts]
    },
    { hasAux: true },
  )(state.params)
  return { loss: parts, grads: mapLeaves(grads as P, (grad) => cast(grad, 'f32')) }
}

function added<P>(sums: Sums<P>, more: Sums<P>): Sums<P> {
  const { leaves, def } = flattenTree(sums)
  const others = flattenTree(more).leaves
  return def.build(leaves.map((leaf, k) => leaf.add(others[k]))) as Sums<P>
}

function applyGradients<P, B>(
  { optimizer, clip, scaling }: UpdateParts<P, B>,
  state: TrainingState<P>,
  { loss, grads }: Sums<P>,
  learningRate: Tensor,
): { state: TrainingState<P>; figures: UpdateFigures } {
  const divisor = scaling === null ? loss.count : loss.count.mul((state.scaling as LossScalingState).scale)
  const share = divisor.reciprocal()
  const mean = mapLeaves(grads, (grad) => grad.mul(share))
  const { grads: used, norm } = clip === null ? { grads: mean, norm: globalNorm(mean) } : clipByGlobalNorm(mean, clip)
  const meanLoss = loss.sum.div(loss.count)
  // a norm is finite only if every gradient is
  const bad = meanLoss.isFinite().logicalAnd(norm.isFinite()).logicalNot()
  const before = { params: state.params, state: state.optimizer }
  const after = keepIf(bad, before, optimizer(learningRate).update(state.params, used, state.optimizer))
  return {
    state: {
      params: after.params,
      optimizer: after.state,
      scaling: scaling === null ? null : scaling.update(state.scaling as LossScalingState, bad),
    },
    figures: { loss: meanLoss, gradNorm: norm, applied: cast(bad.logicalNot(), 'f32') },
  }
}

function mapLeaves<T>(tree: T, change: (leaf: Tensor) => Tensor): T {
  const { leaves, def } = flattenTree(tree)
  return def.build(leaves.map(change)) as T
}
