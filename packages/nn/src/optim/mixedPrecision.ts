/** Forward and backward passes in a narrow dtype over f32 parameters. */
import { type Tensor, cast, checkOptions, mapTree } from '@tarazed/tensor'
import { requireChoice, requireFunction } from '../check.js'
import { parameterName } from '../parameterNames.js'

/** Options of `mixedPrecision`. */
export interface MixedPrecisionOptions {
  /** Default bf16, which needs no loss scaling; f16 does (`lossScaling`). */
  readonly dtype?: 'bf16' | 'f16'
  /** Parameters that stay f32 in the pass, such as norms: (name, parameter) => boolean. Default: none. */
  readonly keep?: (name: string, parameter: Tensor) => boolean
}

/** A tree with its f32 tensors in another float dtype. */
export function castFloats<T>(tree: T, dtype: 'f32' | 'bf16' | 'f16', keep: MixedPrecisionOptions['keep'] = none): T {
  requireChoice('castFloats', 'dtype', dtype, ['f32', 'bf16', 'f16'])
  requireFunction('castFloats', 'keep', keep)
  return mapTree(tree, (leaf, path) => {
    const isFloat = leaf.dtype === 'f32' || leaf.dtype === 'bf16' || leaf.dtype === 'f16'
    return isFloat && !keep(parameterName(path), leaf) ? cast(leaf, dtype) : leaf
  })
}

function none(): boolean {
  return false
}

/**
 * A loss over f32 parameters that computes in a narrow dtype: the parameters are rounded on the way in, and the gradients
 * come back in f32, since the gradient of a cast is cast back. The parameters themselves are the masters, so that updates
 * smaller than a last digit of bf16 are kept.
 *
 * ```ts
 * const loss = mixedPrecision((params, batch) => model.with(params).loss(batch), { dtype: 'bf16' })
 * const [value, grads] = valueAndGrad(loss)(params, batch) // grads f32
 * ```
 *
 * A module's `with` wants the dtypes it has: make the model that `with` is called on in the narrow dtype.
 *
 * @param loss (params, ...rest) => f32 []; gets the parameters in the narrow dtype
 * @throws ArgumentError for an unknown option or dtype
 */
export function mixedPrecision<P, Rest extends readonly unknown[], R>(
  loss: (params: P, ...rest: Rest) => R,
  options: MixedPrecisionOptions = {},
): (params: P, ...rest: Rest) => R {
  requireFunction('mixedPrecision', 'the loss', loss)
  const { dtype = 'bf16', keep } = checkOptions('mixedPrecision', options, ['dtype', 'keep'])
  requireChoice('mixedPrecision', 'dtype', dtype, ['bf16', 'f16'])
  if (keep !== undefined) requireFunction('mixedPrecision', 'keep', keep)
  return (params, ...rest) => loss(castFloats(params, dtype, keep), ...rest)
}
