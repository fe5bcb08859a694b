import { type Tensor, checkOptions, random, where } from '@tarazed/tensor'
import { requireNumber, requireTensor } from '../check.js'
import { Module } from '../module.js'

/** Sets elements to zero with probability `rate` and divides the others by 1 - rate. */
export class Dropout extends Module {
  constructor(readonly rate: number) {
    super()
    requireNumber('Dropout', 'rate', rate, 0, 1)
  }

  /** With a key it drops (training); without one it is the identity (evaluation). */
  forward(x: Tensor, options: { readonly key?: Tensor } = {}): Tensor {
    requireTensor('Dropout', 'x', x)
    const { key } = checkOptions('Dropout.forward', options, ['key'])
    if (key === undefined || this.rate === 0) return x
    const kept = random.bernoulli(key, 1 - this.rate, x.shape)
    return where(kept, x.div(1 - this.rate), 0)
  }
}
