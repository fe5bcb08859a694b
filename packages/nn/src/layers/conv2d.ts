import { ArgumentError, type DType, type Tensor, conv2d, zeros } from '@tarazed/tensor'
import { type Initializer, lecunNormal } from '../initializers.js'
import { Module } from '../module.js'

/** One number for both axes, or [height, width]. */
export type Pair = number | readonly [number, number]

/**
 * What `Conv2d.init` takes: `inChannels` and `outChannels` are multiples of `groups`. Defaults: stride 1, padding 0,
 * dilation 1, one group, a bias, `lecunNormal()` weights in f32.
 */
export interface Conv2dOptions {
  readonly inChannels: number
  readonly outChannels: number
  readonly kernel: Pair
  readonly stride?: Pair
  readonly padding?: Pair
  readonly dilation?: Pair
  readonly groups?: number
  readonly bias?: boolean
  readonly key: Tensor
  readonly weightInit?: Initializer
  readonly dtype?: DType
}

/** Cross-correlation over height and width. */
export class Conv2d extends Module {
  /** @param weight [outChannels, inChannels/groups, kh, kw]; @param bias [outChannels] or null */
  constructor(
    readonly weight: Tensor,
    readonly bias: Tensor | null,
    readonly stride: readonly [number, number],
    readonly padding: readonly [number, number],
    readonly dilation: readonly [number, number],
    readonly groups: number,
  ) {
    super()
  }

  /** The bias starts at zero. */
  static init({
    inChannels,
    outChannels,
    kernel,
    stride = 1,
    padding = 0,
    dilation = 1,
    groups = 1,
    bias = true,
    key,
    weightInit = lecunNormal(),
    dtype = 'f32',
  }: Conv2dOptions): Conv2d {
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new ArgumentError(
        `Conv2d: groups divides both channel counts, got ${groups} for ${inChannels} and ${outChannels}`,
      )
    const weight = weightInit(key, [outChannels, inChannels / groups, ...pair(kernel)], dtype)
    const shift = bias ? zeros([outChannels], { dtype }) : null
    return new Conv2d(weight, shift, pair(stride), pair(padding), pair(dilation), groups)
  }

  /**
   * @param x [N, inChannels, H, W]
   * @returns [N, outChannels, H', W']
   */
  forward(x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this
    return conv2d(x, this.weight, this.bias, { stride, padding, dilation, groups })
  }
}

function pair(value: Pair): readonly [number, number] {
  return typeof value === 'number' ? [value, value] : value
}
