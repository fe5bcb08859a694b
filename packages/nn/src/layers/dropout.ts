import { ArgumentError, type Tensor, random, where } from '@tarazed/tensor'
import { Module } from '../module.js'

/** Sets elements to zero with probability `rate` and divides the others by 1 - rate. */
export class Dropout extends Module {
  constructor(readonly rate: number) {
    super()
    if (!(rate >= 0 && rate < 1)) throw new ArgumentError(`Dropout: rate is in [0, 1), got ${rate}`)
  }

  /** With a key it drops (training); without one it is the identity (evaluation). */
  forward(x: Tensor, { key }: { readonly key?: Tensor } = {}): Tensor {
    if (key === undefined || this.rate === 0) return x
    const kept = random.bernoulli(key, 1 - this.rate, x.shape)
    return where(kept, x.div(1 - this.rate), 0)
  }
}
