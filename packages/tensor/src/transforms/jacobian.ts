/** Whole Jacobians and Hessians, and products with them. */
import { castTo, compare, broadcast, iota, reshapeTo } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { isFloat, type DType } from '../dtype.js'
import { zeros } from './arithmetic.js'
import { batchFunction } from './batchPass.js'
import { lead, moveAxis } from './batching/lead.js'
import { grad, type ArgumentNumbers } from './grad.js'
import { jvp } from './jvp.js'
import { pullBack, pushForward } from './passes.js'
import { traceCall, type Arguments, type TreeFunction } from './traced.js'
import type { Batched } from './rules.js'

export interface JacobianOptions {
  /** The argument to differentiate; default 0. */
  readonly argnums?: number
}

/** [n, …shape]: one unit vector of a tensor of n elements after the other. */
function unitVectors(shape: readonly number[], size: number, dtype: DType): Tensor {
  const rows = broadcast(reshapeTo(iota(size), [size, 1]), [size, size])
  const columns = broadcast(iota(size), [size, size])
  return reshapeTo(castTo(compare('eq', rows, columns), dtype), [size, ...shape])
}

/**
 * The Jacobian by reverse mode, one pass per output element (batched): good for few outputs.
 *
 * @returns a function giving the result's tree with a tree of the argument in the place of every tensor:
 *   each of shape [...output shape, ...input shape]
 * @throws as `vjp`
 */
export function jacrev(f: TreeFunction, { argnums = 0 }: JacobianOptions = {}): TreeFunction {
  return (...args) => {
    const call = traceCall('jacrev', f, args, [argnums], 'reverse')
    const [input] = call.inputs
    const blocks = call.outputs.leaves.map((output, k) => {
      if (!isFloat(output.dtype))
        return input.leaves.map((x) => zeros({ shape: [...output.shape, ...x.shape], dtype: x.dtype }))
      const units = unitVectors(output.shape, output.size, output.dtype)
      const rows = batchFunction(
        ([ct]) =>
          pullBack(
            call.tape,
            call.outputs.leaves.map((_, l) => (l === k ? ct : null)),
          ),
        [{ tensor: units, batched: true }],
        output.size,
      )
      return rows.map((row, l) => {
        const shape = [...output.shape, ...input.leaves[l].shape]
        return row === null ? zeros({ shape, dtype: input.leaves[l].dtype }) : reshapeTo(lead(row, output.size), shape)
      })
    })
    return nested(
      call.outputs.def,
      blocks.map((block) => input.def.build(block)),
    )
  }
}

/**
 * The Jacobian by forward mode, one pass per input element (batched): good for few inputs.
 * @returns as `jacrev`
 * @throws as `jvp`
 */
export function jacfwd(f: TreeFunction, { argnums = 0 }: JacobianOptions = {}): TreeFunction {
  return (...args) => {
    const call = traceCall('jacfwd', f, args, [argnums], 'forward')
    const [input] = call.inputs
    const columns = input.leaves.map((x, k) => {
      const units = unitVectors(x.shape, x.size, x.dtype)
      return batchFunction(
        ([tangent]) =>
          pushForward(
            call.tape,
            input.leaves.map((_, l) => (l === k ? tangent : null)),
          ),
        [{ tensor: units, batched: true }],
        x.size,
      )
    })
    const blocks = call.outputs.leaves.map((output, o) =>
      input.leaves.map((x, k) => forwardBlock(columns[k][o], output, x)),
    )
    return nested(
      call.outputs.def,
      blocks.map((block) => input.def.build(block)),
    )
  }
}

/** [inputs, …output shape] -> [...output shape, ...input shape] */
function forwardBlock(column: Batched | null, output: Tensor, x: Tensor): Tensor {
  const shape = [...output.shape, ...x.shape]
  if (column === null) return zeros({ shape, dtype: output.dtype })
  return reshapeTo(moveAxis(lead(column, x.size), 0, output.rank), shape)
}

/** A tree with a tree in the place of every tensor. `build` puts in what it is given, tensor or not. */
function nested(def: { build(leaves: readonly Tensor[]): unknown }, trees: readonly unknown[]): unknown {
  return def.build(trees as readonly Tensor[])
}

/**
 * The Jacobian of a function: `[...output shape, ...input shape]` for tensors, trees of them for trees.
 * @param options `mode`: `reverse` (default; few outputs) or `forward` (few inputs)
 */
export function jacobian(
  f: TreeFunction,
  options: JacobianOptions & { readonly mode?: 'reverse' | 'forward' } = {},
): TreeFunction {
  return options.mode === 'forward' ? jacfwd(f, options) : jacrev(f, options)
}

/** The Hessian of a scalar function, forward over reverse: `[...input shape, ...input shape]`, trees for trees. */
export function hessian(f: TreeFunction, options: JacobianOptions = {}): TreeFunction {
  return jacfwd(
    grad(f as TreeFunction<Arguments, Tensor>, { argnums: (options.argnums ?? 0) as ArgumentNumbers }) as TreeFunction,
    options,
  )
}

/**
 * Hessian times vector, forward over reverse: the cost of a few gradients, and no Hessian.
 *
 * @param f a scalar function of one tree
 * @param primal the point
 * @param vector a tree like `primal`
 * @returns `[gradient, Hessian · vector]`
 * @throws as `grad` and `jvp`
 */
export function hvp<Primal>(f: (x: Primal) => Tensor, primal: Primal, vector: Primal): [Primal, Primal] {
  return jvp(grad(f) as (x: Primal) => Primal, [primal], [vector])
}
