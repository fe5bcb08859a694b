import { ArgumentError, type DType, type Tensor, checkOptions, conv2d, zeros } from '@tarazed/tensor'
import { requireCount, requireSizes, requireWeights, shown } from '../check.js'
import { type Initializer, lecunNormal } from '../initializers.js'
import { Module } from '../module.js'
import { firstValue } from './firstValue.js'

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

const NEEDED = ['inChannels', 'outChannels', 'kernel', 'key'] as const
const OPTIONS = [...NEEDED, 'stride', 'padding', 'dilation', 'groups', 'bias', 'weightInit', 'dtype'] as const

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
    requireWeights('Conv2d', weight, bias)
  }

  /** The bias starts at zero. */
  static init(options: Conv2dOptions): Conv2d {
    const {
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
    } = checkOptions('Conv2d.init', options, OPTIONS, NEEDED)
    requireSizes('Conv2d.init', { inChannels, outChannels, groups })
    if (inChannels % groups !== 0 || outChannels % groups !== 0)
      throw new ArgumentError(
        `Conv2d.init: groups divides both channel counts, got ${groups} for ${inChannels} and ${outChannels}; choose a divisor`,
      )
    const weight = firstValue(
      'Conv2d.init',
      weightInit,
      key,
      [outChannels, inChannels / groups, ...pair('kernel', kernel, 1)],
      dtype,
    )
    const shift = bias ? zeros([outChannels], { dtype }) : null
    return new Conv2d(
      weight,
      shift,
      pair('stride', stride, 1),
      pair('padding', padding, 0),
      pair('dilation', dilation, 1),
      groups,
    )
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

function pair(name: string, value: Pair, least: number): readonly [number, number] {
  const both = typeof value === 'number' ? ([value, value] as const) : value
  if (!Array.isArray(both) || both.length !== 2)
    throw new ArgumentError(
      `Conv2d.init: ${name} is a number or [height, width], got ${shown(value)}; write it as in [3, 3]`,
    )
  for (const side of both) requireCount('Conv2d.init', name, side, least)
  return both as readonly [number, number]
}
