import { type DType, type Tensor, checkOptions, random, swiglu, unstack } from '@tarazed/tensor'
import { requireLayers, requireSizes } from '../check.js'
import type { Initializer } from '../initializers.js'
import { Module } from '../module.js'
import { Linear } from './linear.js'

/**
 * What `SwiGLU.init` takes: `features` in and out, `hidden` between. Defaults: no bias, the weights of `Linear` in f32.
 */
export interface SwiGLUOptions {
  readonly features: number
  readonly hidden: number
  readonly bias?: boolean
  readonly key: Tensor
  readonly weightInit?: Initializer
  readonly dtype?: DType
}

const NEEDED = ['features', 'hidden', 'key'] as const
const OPTIONS = [...NEEDED, 'bias', 'weightInit', 'dtype'] as const

/** The gated feed-forward layer of LLaMA: down(silu(gate(x)) · up(x)) (arXiv 2002.05202). */
export class SwiGLU extends Module {
  constructor(
    readonly gate_proj: Linear,
    readonly up_proj: Linear,
    readonly down_proj: Linear,
  ) {
    super()
    requireLayers('SwiGLU', [gate_proj, up_proj, down_proj])
  }

  static init(options: SwiGLUOptions): SwiGLU {
    const {
      features,
      hidden,
      bias = false,
      key,
      weightInit,
      dtype,
    } = checkOptions('SwiGLU.init', options, OPTIONS, NEEDED)
    requireSizes('SwiGLU.init', { features, hidden })
    const [gateKey, upKey, downKey] = unstack(random.split(key, 3))
    const common = { bias, weightInit, dtype }
    return new SwiGLU(
      Linear.init({ inFeatures: features, outFeatures: hidden, key: gateKey, ...common }),
      Linear.init({ inFeatures: features, outFeatures: hidden, key: upKey, ...common }),
      Linear.init({ inFeatures: hidden, outFeatures: features, key: downKey, ...common }),
    )
  }

  /** @param x [..., features] */
  forward(x: Tensor): Tensor {
    return this.down_proj.forward(swiglu(this.gate_proj.forward(x), this.up_proj.forward(x)))
  }
}
