/** Gradients of scalar functions. */
import { isFloat } from '../dtype.js'
import { ArgumentError, DTypeError, ShapeError } from '../errors.js'
import { Tensor } from '../graph/tensor.js'
import { show } from '../ops/check.js'
import { checkOptions } from '../ops/options.js'
import { showShape } from '../shape.js'
import { full, zeros } from './arithmetic.js'
import { pullBack } from './passes.js'
import { describe, requireFunction, splitByTrees, traceCall, type Arguments, type TreeFunction } from './traced.js'

/** Which arguments are differentiated: one position, or several. */
export type ArgumentNumbers = number | readonly number[]

/** The gradient's type: the type of the argument, or a tuple for several. */
export type GradientOf<Args extends Arguments, Wrt extends ArgumentNumbers> = Wrt extends number
  ? Args[Wrt]
  : { -readonly [K in keyof Wrt]: Wrt[K] extends number ? Args[Wrt[K]] : never }

/** Options of `grad` and `valueAndGrad`. */
export interface GradOptions<Wrt extends ArgumentNumbers = ArgumentNumbers> {
  /** Positions of the arguments to differentiate; default 0. With a list the gradient is a list. */
  readonly argnums?: Wrt
  /** The function returns `[value, aux]`; aux is any tree and is passed on. */
  readonly hasAux?: boolean
}

/**
 * The gradient of a function with a scalar result: a function of the same arguments.
 *
 * @param f trees in, a float tensor of shape [] out (`[value, aux]` with `hasAux`)
 * @returns the gradient in the structure of the argument (a list of them when `argnums` is a list); with `hasAux` `[gradient, aux]`
 * @throws ShapeError when the result is not a scalar; DTypeError when it, or an argument, is not a float
 */
export function grad<Args extends Arguments, Aux, const Wrt extends ArgumentNumbers = 0>(
  f: TreeFunction<Args, readonly [Tensor, Aux]>,
  options: GradOptions<Wrt> & { readonly hasAux: true },
): (...args: Args) => [GradientOf<Args, Wrt>, Aux]
export function grad<Args extends Arguments, const Wrt extends ArgumentNumbers = 0>(
  f: TreeFunction<Args, Tensor>,
  options?: GradOptions<Wrt> & { readonly hasAux?: false },
): (...args: Args) => GradientOf<Args, Wrt>
export function grad(f: TreeFunction, options: GradOptions = {}): TreeFunction {
  checkGradOptions('grad', f, options)
  return (...args) => {
    const { aux, gradients } = differentiate('grad', f, args, options)
    return options.hasAux === true ? [gradients, aux] : gradients
  }
}

/**
 * As `grad`, with the value: `[value, gradient]`, or `[[value, aux], gradient]` with `hasAux`.
 * @throws as `grad`
 */
export function valueAndGrad<Args extends Arguments, Aux, const Wrt extends ArgumentNumbers = 0>(
  f: TreeFunction<Args, readonly [Tensor, Aux]>,
  options: GradOptions<Wrt> & { readonly hasAux: true },
): (...args: Args) => [[Tensor, Aux], GradientOf<Args, Wrt>]
export function valueAndGrad<Args extends Arguments, const Wrt extends ArgumentNumbers = 0>(
  f: TreeFunction<Args, Tensor>,
  options?: GradOptions<Wrt> & { readonly hasAux?: false },
): (...args: Args) => [Tensor, GradientOf<Args, Wrt>]
export function valueAndGrad(f: TreeFunction, options: GradOptions = {}): TreeFunction {
  checkGradOptions('valueAndGrad', f, options)
  return (...args) => {
    const { value, aux, gradients } = differentiate('valueAndGrad', f, args, options)
    return options.hasAux === true ? [[value, aux], gradients] : [value, gradients]
  }
}

function checkGradOptions(op: string, f: TreeFunction, options: GradOptions): void {
  requireFunction(op, f)
  const { argnums = 0 } = checkOptions(op, options, ['argnums', 'hasAux'])
  if (typeof argnums !== 'number' && !Array.isArray(argnums))
    throw new ArgumentError(
      `${op}: argnums must be a position or a list of positions, got ${show(argnums)}; write it as in { argnums: [0, 1] }`,
    )
}

interface Differentiated {
  readonly value: Tensor
  readonly aux: unknown
  readonly gradients: unknown
}

function differentiate(op: string, f: TreeFunction, args: readonly unknown[], options: GradOptions): Differentiated {
  const { argnums = 0, hasAux = false } = options
  const positions = typeof argnums === 'number' ? [argnums] : argnums
  const call = traceCall(op, (...inner) => checkedResult(op, f(...inner), hasAux), args, positions, 'reverse')
  const [value, ...rest] = call.outputs.leaves
  const cotangents = [full([], value.dtype, 1), ...rest.map(() => null)]
  const gradients = pullBack(call.tape, cotangents).map((gradient, k) => gradient ?? zeros(call.seeds[k]))
  const trees = splitByTrees(gradients, call.inputs).map((leaves, k) => call.inputs[k].def.build(leaves))
  const result = call.outputs.def.build(call.outputs.leaves) as [Tensor, unknown]
  return { value, aux: result[1], gradients: typeof argnums === 'number' ? trees[0] : trees }
}

/** The result as `[value, aux]`. */
function checkedResult(op: string, result: unknown, hasAux: boolean): unknown {
  if (typeof (result as { then?: unknown } | null)?.then === 'function') return result
  if (hasAux && !(Array.isArray(result) && result.length === 2))
    throw new ArgumentError(`${op}: with hasAux the function must return [value, aux], got ${describe(result)}`)
  const value: unknown = hasAux ? (result as unknown[])[0] : result
  if (!(value instanceof Tensor))
    throw new ArgumentError(
      `${op}: the function must return a scalar float tensor, got ${Array.isArray(value) ? `${describe(value)}; use hasAux for [value, aux], or vjp` : describe(value)}`,
    )
  if (value.rank !== 0)
    throw new ShapeError(
      `${op}: the function must return a scalar, got shape ${showShape(value.shape)}; reduce it with sum or mean, or use vjp or jacobian`,
    )
  if (!isFloat(value.dtype))
    throw new DTypeError(`${op}: the function must return a float, got ${value.dtype}; cast it`)
  return hasAux ? result : [value, null]
}
