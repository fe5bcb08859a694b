/** Random numbers from explicit keys. Use as a namespace: `random.normal(key, [2, 3])`. */
export { bits, block, foldIn, key, split, type KeyOptions } from './bits.js'
export {
  bernoulli,
  categorical,
  gumbel,
  normal,
  permutation,
  randint,
  truncatedNormal,
  uniform,
  type FloatOptions,
  type RandintOptions,
  type UniformOptions,
} from './distributions.js'
