/** Views of stored tensors, through public operators. */
import { broadcastTo, slice, transpose, type Tensor } from '@tarazed/tensor'
import { IndexError } from '../../stored.js'
import { type StoredInput, type ViewStep } from './entry.js'

/** The operand that the operator gets: the stored tensor after its view's steps. */
export function throughView(stored: Tensor, input: StoredInput): Tensor {
  return (input.view ?? []).reduce(applyStep, stored)
}

function applyStep(x: Tensor, [name, argument]: ViewStep): Tensor {
  switch (name) {
    case 'transpose':
      return transpose(x, argument as number[])
    case 'slice':
      return slice(x, argument as [number | null, number | null, number | null][])
    case 'broadcast':
      return broadcastTo(x, argument as number[])
    default:
      throw new IndexError(`view step must be transpose, slice or broadcast, got ${name}`)
  }
}
