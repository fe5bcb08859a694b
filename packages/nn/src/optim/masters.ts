/** f32 masters of narrow parameters. */
import { type Tensor, cast, flattenTree } from '@tarazed/tensor'
import { requireOptimizer } from '../check.js'
import { type NamedTensors, type Optimizer, type OptimizerState, namedLeaves } from './optimizer.js'

/**
 * Keeps an f32 master of every bf16 or f16 parameter in the state (slot `master`) and updates that; the parameter is its
 * rounding. Without masters an update smaller than half a last digit of a bf16 parameter (2⁻⁹ of it) is lost.
 */
export function withMasters(optimizer: Optimizer): Optimizer {
  requireOptimizer('withMasters', optimizer)
  const leavesOf = (params: unknown) => namedLeaves(optimizer.name, params)
  return {
    name: optimizer.name,
    init: (params) => {
      const wide = Object.fromEntries(leavesOf(params).map(([name, leaf]) => [name, cast(leaf, 'f32')]))
      return withMasterSlot(optimizer.init(wide), narrowOnly(leavesOf(params), wide))
    },
    update: (params, grads, state) => {
      const { master = {}, ...slots } = state.slots
      const leaves = leavesOf(params)
      const wide = Object.fromEntries(leaves.map(([name, leaf]) => [name, master[name] ?? leaf]))
      const gradients = Object.fromEntries(leavesOf(grads))
      const next = optimizer.update<NamedTensors>(wide, gradients, { step: state.step, slots })
      const rounded = leaves.map(([name, { dtype }]) => cast(next.params[name], dtype))
      return {
        params: flattenTree(params).def.build(rounded) as typeof params,
        state: withMasterSlot(next.state, narrowOnly(leaves, next.params)),
      }
    },
  }
}

/** An f32 parameter is its own master: a second name for it could not be donated. */
function narrowOnly(leaves: readonly [string, Tensor][], wide: NamedTensors): NamedTensors {
  return Object.fromEntries(leaves.filter(([, leaf]) => leaf.dtype !== 'f32').map(([name]) => [name, wide[name]]))
}

function withMasterSlot(state: OptimizerState, master: NamedTensors): OptimizerState {
  return { step: state.step, slots: { ...state.slots, master } }
}
