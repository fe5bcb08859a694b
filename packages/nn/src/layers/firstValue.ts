import type { DType, Tensor } from '@tarazed/tensor'
import { requireFunction, requireTensor } from '../check.js'
import type { Initializer } from '../initializers.js'

/**
 * The first value of a parameter.
 * @throws ArgumentError when the initializer is none, as one that was not called
 */
export function firstValue(
  op: string,
  initializer: Initializer,
  key: Tensor,
  shape: readonly number[],
  dtype: DType,
): Tensor {
  requireFunction(op, 'weightInit', initializer)
  const value = initializer(key, shape, dtype)
  requireTensor(op, 'what weightInit gives', value, 'call it first, as in { weightInit: initializers.xavierUniform() }')
  return value
}
