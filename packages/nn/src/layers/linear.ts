import { type DType, ShapeError, type Tensor, checkOptions, matmul, zeros } from '@tarazed/tensor'
import { requireSizes, requireTensor, requireWeights } from '../check.js'
import { type Initializer, lecunNormal } from '../initializers.js'
import { Module } from '../module.js'
import { firstValue } from './firstValue.js'

/** What `Linear.init` takes. Defaults: a bias, `lecunNormal()` weights in f32. */
export interface LinearOptions {
  readonly inFeatures: number
  readonly outFeatures: number
  readonly bias?: boolean
  readonly key: Tensor
  readonly weightInit?: Initializer
  readonly dtype?: DType
}

const NEEDED = ['inFeatures', 'outFeatures', 'key'] as const
const OPTIONS = [...NEEDED, 'bias', 'weightInit', 'dtype'] as const

/** y = x Wᵀ + b */
export class Linear extends Module {
  /** @param weight [outFeatures, inFeatures]; @param bias [outFeatures] or null */
  constructor(
    readonly weight: Tensor,
    readonly bias: Tensor | null,
  ) {
    super()
    requireWeights('Linear', weight, bias)
  }

  /** The bias starts at zero. */
  static init(options: LinearOptions): Linear {
    const {
      inFeatures,
      outFeatures,
      bias = true,
      key,
      weightInit = lecunNormal(),
      dtype = 'f32',
    } = checkOptions('Linear.init', options, OPTIONS, NEEDED)
    requireSizes('Linear.init', { inFeatures, outFeatures })
    return new Linear(
      firstValue('Linear.init', weightInit, key, [outFeatures, inFeatures], dtype),
      bias ? zeros([outFeatures], { dtype }) : null,
    )
  }

  /**
   * @param x [..., inFeatures]
   * @returns [..., outFeatures]
   */
  forward(x: Tensor): Tensor {
    requireTensor('Linear', 'x', x)
    const inFeatures = this.weight.shape[1]
    if (x.shape.at(-1) !== inFeatures)
      throw new ShapeError(
        `Linear: the last axis of x has ${inFeatures} features, got [${x.shape.join(', ')}] for weight [${this.weight.shape.join(', ')}]; reshape x or make the layer with its size`,
      )
    const y = matmul(x, this.weight.transpose())
    return this.bias === null ? y : y.add(this.bias)
  }
}
