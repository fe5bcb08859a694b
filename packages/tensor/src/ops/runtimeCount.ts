/** Counts that are known at run time: rows in use, trips of a loop. */
import { isInteger } from '../dtype.js'
import { castTo, scalarConst } from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { argumentError, requireElement, show } from './check.js'

/**
 * A count as an i32 [] tensor.
 * @throws ArgumentError for anything but a whole number of at least 0 or a rank-0 integer tensor
 */
export function runtimeCount(op: string, name: string, count: Tensor | number): Tensor {
  if (count instanceof Tensor) {
    if (count.rank !== 0 || !isInteger(count.dtype))
      throw argumentError(
        op,
        `${name} must be an integer tensor of rank 0 or a number`,
        show(count),
        'reshape or cast it',
      )
    return castTo(count, 'i32')
  }
  if (!Number.isInteger(count) || count < 0)
    throw argumentError(
      op,
      `${name} must be a whole number of at least 0 or an i32 [] tensor`,
      show(count),
      `change ${name}`,
    )
  requireElement(op, count, 'i32')
  return scalarConst(count, 'i32')
}
