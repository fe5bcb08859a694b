/** Modules, losses and what attention remembers. Optimisers are in `@tarazed/nn/optim`. */
import * as initializers from './initializers.js'

export { initializers }
export type { Initializer } from './initializers.js'
export { appendToken, appendTokens, kvCache, type CachedKeys, type KvCache, type KvCacheOptions } from './kvCache.js'
export { Conv2d, type Conv2dOptions, type Pair } from './layers/conv2d.js'
export { Dropout } from './layers/dropout.js'
export { Embedding, type EmbeddingOptions } from './layers/embedding.js'
export { Linear, type LinearOptions } from './layers/linear.js'
export { GroupNorm, LayerNorm, RMSNorm, type GroupNormOptions, type NormOptions } from './layers/norms.js'
export { SelfAttention, type SelfAttentionOptions } from './layers/selfAttention.js'
export { SwiGLU, type SwiGLUOptions } from './layers/swiGlu.js'
export {
  loadWeights,
  WeightsError,
  type LoadProgress,
  type LoadWeightsOptions,
  type WeightDType,
} from './loadWeights.js'
export {
  binaryCrossEntropy,
  cosineSimilarity,
  huber,
  klDivergence,
  mae,
  mse,
  type LossOptions,
  type LossReduction,
} from './losses.js'
export { Module } from './module.js'
export { parameterCount, parameters, withParameters } from './parameters.js'
export { crossEntropy } from '@tarazed/tensor'
