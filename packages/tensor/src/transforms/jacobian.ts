/** Whole Jacobians and Hessians, and products with them. */
import { castTo, compare, broadcast, iota, reshapeTo } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { isFloat, type DType } from '../dtype.js'
import { requireChoice } from '../ops/check.js'
import { checkOptions } from '../ops/options.js'
import { zeros } from './arithmetic.js'
import { batchFunction } from './batchPass.js'
import { lead, moveAxis } from './batching/lead.js'
import { grad } from './grad.js'
import { jvp } from './jvp.js'
import { pullBack, pushForward } from './passes.js'
import { requireFunction, traceCall, type Arguments, type TreeFunction } from './traced.js'
import type { Batched } from './rules.js'

/** Options of `jacobian`, `jacrev`, `jacfwd` and `hessian`. */
export interface JacobianOptions<Wrt extends number = number> {
  /** The argument to differentiate; default 0. */
  readonly argnums?: Wrt
}

function checkedOptions<Wrt extends number>(
  op: string,
  f: unknown,
  options: JacobianOptions<Wrt>,
): JacobianOptions<Wrt> {
  requireFunction(op, f)
  return checkOptions(op, options, ['argnums'])
}

/** The result's tree with the argument's tree in the place of every tensor. */
export type JacobianOf<Result, Arg> = Result extends Tensor ? Arg : { [K in keyof Result]: JacobianOf<Result[K], Arg> }

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
export function jacrev<Args extends Arguments, Result, const Wrt extends number = 0>(
  f: TreeFunction<Args, Result>,
  options: JacobianOptions<Wrt> = {},
): (...args: Args) => JacobianOf<Result, Args[Wrt]> {
  const { argnums = 0 } = checkedOptions('jacrev', f, options)
  return (...args) => {
    const call = traceCall('jacrev', f as TreeFunction, args, [argnums], 'reverse')
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
export function jacfwd<Args extends Arguments, Result, const Wrt extends number = 0>(
  f: TreeFunction<Args, Result>,
  options: JacobianOptions<Wrt> = {},
): (...args: Args) => JacobianOf<Result, Args[Wrt]> {
  const { argnums = 0 } = checkedOptions('jacfwd', f, options)
  return (...args) => {
    const call = traceCall('jacfwd', f as TreeFunction, args, [argnums], 'forward')
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
function nested<Result>(def: { build(leaves: readonly Tensor[]): unknown }, trees: readonly unknown[]): Result {
  return def.build(trees as readonly Tensor[]) as Result
}

/**
 * The Jacobian of a function: `[...output shape, ...input shape]` for tensors, trees of them for trees.
 * @param options `mode`: `reverse` (default; few outputs) or `forward` (few inputs)
 */
export function jacobian<Args extends Arguments, Result, const Wrt extends number = 0>(
  f: TreeFunction<Args, Result>,
  options: JacobianOptions<Wrt> & { readonly mode?: 'reverse' | 'forward' } = {},
): (...args: Args) => JacobianOf<Result, Args[Wrt]> {
  requireFunction('jacobian', f)
  const { argnums, mode = 'reverse' } = checkOptions('jacobian', options, ['mode', 'argnums'])
  requireChoice('jacobian', 'mode', mode, ['reverse', 'forward'])
  return mode === 'forward' ? jacfwd(f, { argnums }) : jacrev(f, { argnums })
}

/** The Hessian of a scalar function, forward over reverse: `[...input shape, ...input shape]`, trees for trees. */
export function hessian<Args extends Arguments, const Wrt extends number = 0>(
  f: TreeFunction<Args, Tensor>,
  options: JacobianOptions<Wrt> = {},
): (...args: Args) => JacobianOf<Args[Wrt], Args[Wrt]> {
  checkedOptions('hessian', f, options)
  const gradient = grad(f, { argnums: options.argnums ?? 0 }) as TreeFunction<Args, Args[Wrt]>
  return jacfwd(gradient, options)
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
  requireFunction('hvp', f)
  return jvp(grad(f) as (x: Primal) => Primal, [primal], [vector])
}
