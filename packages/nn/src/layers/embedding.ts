import { type DType, type Tensor, checkOptions, embedding, matmul } from '@tarazed/tensor'
import { requireSizes, requireWeights } from '../check.js'
import { type Initializer, normal } from '../initializers.js'
import { Module } from '../module.js'
import { firstValue } from './firstValue.js'

/**
 * What `Embedding.init` takes: a table of `numEmbeddings` rows of `features` numbers. Defaults: standard normal weights
 * in f32.
 */
export interface EmbeddingOptions {
  readonly numEmbeddings: number
  readonly features: number
  readonly key: Tensor
  readonly weightInit?: Initializer
  readonly dtype?: DType
}

const NEEDED = ['numEmbeddings', 'features', 'key'] as const
const OPTIONS = [...NEEDED, 'weightInit', 'dtype'] as const

/** A table of vectors. */
export class Embedding extends Module {
  /** @param weight [numEmbeddings, features] */
  constructor(readonly weight: Tensor) {
    super()
    requireWeights('Embedding', weight)
  }

  static init(options: EmbeddingOptions): Embedding {
    const {
      numEmbeddings,
      features,
      key,
      weightInit = normal({ std: 1 }),
      dtype = 'f32',
    } = checkOptions('Embedding.init', options, OPTIONS, NEEDED)
    requireSizes('Embedding.init', { numEmbeddings, features })
    return new Embedding(firstValue('Embedding.init', weightInit, key, [numEmbeddings, features], dtype))
  }

  /**
   * @param index i32 [...]
   * @returns [..., features]
   */
  forward(index: Tensor): Tensor {
    return embedding(this.weight, index)
  }

  /**
   * Logits with the table as output layer (tied embeddings).
   *
   * @param x [..., features]
   * @returns [..., numEmbeddings]
   */
  attend(x: Tensor): Tensor {
    return matmul(x, this.weight.transpose())
  }
}
