/** Moving averages of parameters. */
import { type Tensor, cast, checkOptions, mapTree, scalar, zeros } from '@tarazed/tensor'
import { requireNumber } from '../check.js'
import { zipTree } from '../zipTree.js'

/** Options of `ema`: the share of the old average that an update keeps, in [0, 1); no debiasing by default. */
export interface EmaOptions {
  readonly decay: number
  /** Starts at 0 and divides by 1 - decayᵗ, instead of starting at the first parameters. */
  readonly debias?: boolean
}

/** What a moving average remembers: plain data, an argument and a result of compiled functions. */
export interface EmaState<P> {
  /** i32 []: updates done. */
  readonly step: Tensor
  /** f32, in the tree of the parameters. */
  readonly average: P
}

/** A moving average over trees of parameters, as pure functions. */
export interface Ema {
  init<P>(params: P): EmaState<P>
  update<P>(params: P, state: EmaState<P>): EmaState<P>
  /** The averaged parameters, f32. */
  value<P>(state: EmaState<P>): P
}

/** average ← decay·average + (1 - decay)·value */
export function ema(options: EmaOptions): Ema {
  const { decay, debias = false } = checkOptions('ema', options, ['decay', 'debias'], ['decay'])
  requireNumber('ema', 'decay', decay, 0, 1)
  return {
    init: (params) => ({
      step: scalar(0, { dtype: 'i32' }),
      average: mapTree(params, (leaf) => (debias ? zeros(leaf.shape) : copyOf(leaf))),
    }),
    update: (params, { step, average }) => ({
      step: step.add(1),
      average: zipTree('ema.update', average, params, (old, leaf) =>
        old.mul(decay).add(cast(leaf, 'f32').mul(1 - decay)),
      ),
    }),
    value: ({ step, average }) => {
      if (!debias) return average
      // 1 - decayᵗ without cancellation; see biasCorrection in adam.ts
      const correction = cast(step, 'f32').mul(Math.log(decay)).expm1().neg()
      return mapTree(average, (leaf) => leaf.div(correction))
    },
  }
}

/** Another tensor with the same values: the average and the parameters may both be donated to one step. */
function copyOf(leaf: Tensor): Tensor {
  return cast(leaf, 'f32').mul(1)
}
