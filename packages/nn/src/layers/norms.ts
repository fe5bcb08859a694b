import {
  ArgumentError,
  type DType,
  type Tensor,
  checkOptions,
  groupNorm,
  layerNorm,
  ones,
  rmsNorm,
  zeros,
} from '@tarazed/tensor'
import { requireNumber, requireSizes, requireWeights } from '../check.js'
import { Module } from '../module.js'

/** What `LayerNorm.init` and `RMSNorm.init` take: the size of the last axis. Defaults: eps 1e-5, f32. */
export interface NormOptions {
  readonly features: number
  readonly eps?: number
  readonly dtype?: DType
}

const NEEDED = ['features'] as const
const NORM = ['features', 'eps', 'dtype'] as const
const GROUPS = ['groups', 'channels'] as const

/** (x - mean)/√(variance + eps) · weight + bias over the last axis; biased variance. */
export class LayerNorm extends Module {
  /** @param weight [features]; @param bias [features] or null */
  constructor(
    readonly weight: Tensor,
    readonly bias: Tensor | null,
    readonly eps: number,
  ) {
    super()
    requireWeights('LayerNorm', weight, bias)
  }

  static init(options: NormOptions & { readonly bias?: boolean }): LayerNorm {
    const op = 'LayerNorm.init'
    const { features, eps = 1e-5, bias = true, dtype = 'f32' } = checkOptions(op, options, [...NORM, 'bias'], NEEDED)
    requireSizes(op, { features })
    requireNumber(op, 'eps', eps, 0)
    return new LayerNorm(ones([features], { dtype }), bias ? zeros([features], { dtype }) : null, eps)
  }

  /** @param x [..., features] */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, { axes: 1, eps: this.eps })
  }
}

/** x/√(mean(x²) + eps) · weight over the last axis. */
export class RMSNorm extends Module {
  /** @param weight [features] */
  constructor(
    readonly weight: Tensor,
    readonly eps: number,
  ) {
    super()
    requireWeights('RMSNorm', weight)
  }

  static init(options: NormOptions): RMSNorm {
    const { features, eps = 1e-5, dtype = 'f32' } = checkOptions('RMSNorm.init', options, NORM, NEEDED)
    requireSizes('RMSNorm.init', { features })
    requireNumber('RMSNorm.init', 'eps', eps, 0)
    return new RMSNorm(ones([features], { dtype }), eps)
  }

  /** @param x [..., features] */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, { eps: this.eps })
  }
}

/** What `GroupNorm.init` takes; `groups` divides `channels`. Defaults: eps 1e-5, f32. */
export interface GroupNormOptions {
  readonly groups: number
  readonly channels: number
  readonly eps?: number
  readonly dtype?: DType
}

/** Normalises every group of channels of every sample, then scales and shifts each channel. */
export class GroupNorm extends Module {
  /** @param weight [channels]; @param bias [channels] */
  constructor(
    readonly weight: Tensor,
    readonly bias: Tensor,
    readonly groups: number,
    readonly eps: number,
  ) {
    super()
    requireWeights('GroupNorm', weight, bias)
  }

  static init(options: GroupNormOptions): GroupNorm {
    const op = 'GroupNorm.init'
    const {
      groups,
      channels,
      eps = 1e-5,
      dtype = 'f32',
    } = checkOptions(op, options, [...GROUPS, 'eps', 'dtype'], GROUPS)
    requireSizes(op, { groups, channels })
    requireNumber(op, 'eps', eps, 0)
    if (channels % groups !== 0)
      throw new ArgumentError(`${op}: groups divides channels, got ${groups} and ${channels}; choose a divisor`)
    return new GroupNorm(ones([channels], { dtype }), zeros([channels], { dtype }), groups, eps)
  }

  /** @param x [N, channels, ...] */
  forward(x: Tensor): Tensor {
    return groupNorm(x, this.weight, this.bias, { groups: this.groups, eps: this.eps })
  }
}
