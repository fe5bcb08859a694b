/** The language model of the bench `lm` as numbers that every engine starts from: sizes, weights by name, ids. */
import { parameterShapes, smallConfig, type Aquila2Config } from '@tarazed/aquila2'
import type { LmSize } from './benches/lmTraining.js'
import { randomIds, randomNumbers } from './timing.js'

/** The feed-forward width follows FlagScale's rule: 352 for a width of 128. */
export function lmConfig({ layers, width, heads, time, vocabulary }: LmSize): Aquila2Config {
  return smallConfig({
    num_hidden_layers: layers,
    hidden_size: width,
    num_attention_heads: heads,
    max_position_embeddings: time,
    vocab_size: vocabulary,
  })
}

export interface Numbers {
  readonly shape: readonly number[]
  readonly values: Float32Array<ArrayBuffer>
}

/** Weights by the names of a checkpoint: matrices [out, in] in ±0.05, norms in 1 ± 0.1. */
export function lmWeights(size: LmSize): Record<string, Numbers> {
  const shapes = Object.entries(parameterShapes(lmConfig(size)))
  return Object.fromEntries(shapes.map(([name, shape], k) => [name, { shape, values: weightOf(shape, k + 1) }]))
}

function weightOf(shape: readonly number[], seed: number): Float32Array<ArrayBuffer> {
  const count = shape.reduce((product, extent) => product * extent, 1)
  return shape.length === 1
    ? randomNumbers(count, seed, 0.1).map((value) => 1 + value)
    : randomNumbers(count, seed, 0.05)
}

/** Sequences [batch, time + 1], row by row: every token but the last is read, every one but the first predicted. */
export function lmIds({ batch, time, vocabulary }: LmSize, seed: number): Int32Array<ArrayBuffer> {
  return randomIds(batch * (time + 1), seed, vocabulary)
}

/**
 * Operations of a training step per token that no engine can save: two per weight of every product and two per element of
 * causal attention's two products, forward; twice as many backward.
 */
export function trainingFlopsPerToken(size: LmSize): number {
  const matrices = Object.entries(parameterShapes(lmConfig(size))).filter(
    ([name, shape]) => shape.length === 2 && name !== 'model.embed_tokens.weight',
  )
  const weights = matrices.reduce((sum, [, [rows, columns]]) => sum + rows * columns, 0)
  // A token sees half of the others, on average.
  const attention = size.layers * 2 * size.width * (size.time / 2)
  return 3 * 2 * (weights + attention)
}
