/** Small models with weights large enough to matter, and their values as numbers. */
import { parameters } from '@tarazed/nn'
import { type Tensor, mapTree, random, tensor } from '@tarazed/tensor'
import { Aquila2, type Aquila2Config, smallConfig } from '../src/index.js'
import type { PlainWeights } from './plainModel.js'

/** A configuration of odd sizes: 3 query heads for each key/value head, 10 channels a head, 37 tokens. */
export const ODD = {
  ...smallConfig({
    vocab_size: 37,
    hidden_size: 60,
    intermediate_size: 44,
    num_hidden_layers: 2,
    num_attention_heads: 6,
    num_key_value_heads: 2,
    max_position_embeddings: 16,
  }),
  initializer_range: 0.15,
} satisfies Aquila2Config

/** A model whose norms are not all one, so that their weights matter. */
export function randomModel(config: Aquila2Config = ODD, seed = 1): Aquila2 {
  const model = Aquila2.init(config, random.key(seed))
  return mapTree(model, (leaf, path) =>
    leaf.rank === 1 ? leaf.add(tensor(numbers(leaf.size, path.length), { shape: leaf.shape })) : leaf,
  )
}

/** Numbers between -0.5 and 0.5 that look random. */
export function numbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, k) => 0.5 * Math.sin(12.9898 * (k + 1) + 78.233 * seed))
}

/** Token ids below `vocabulary`. */
export function tokens(count: number, vocabulary: number, seed = 1): number[] {
  return numbers(count, seed).map((x) => Math.floor((x + 0.5) * (vocabulary - 1e-6)))
}

/** ids i32 [B, T] */
export function batch(...rows: readonly (readonly number[])[]): Tensor {
  return tensor(rows.flat(), { shape: [rows.length, rows[0].length], dtype: 'i32' })
}

/** bool [B, T] of 0 and 1. */
export function maskOf(...rows: readonly (readonly number[])[]): Tensor {
  return batch(...rows).notEqual(0)
}

/** The weights of a model as numbers. */
export async function plainWeights(model: Aquila2): Promise<PlainWeights> {
  const entries = Object.entries(parameters(model)).map(async ([name, value]) => {
    return [name, { shape: value.shape, data: (await value.data()) as Float32Array }] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/** Rows of the last axis: [..., V] -> lists of V. */
export async function rows(value: Tensor): Promise<number[][]> {
  const data = [...((await value.data()) as Float32Array)]
  const width = value.shape.at(-1)!
  return Array.from({ length: data.length / width }, (_, r) => data.slice(r * width, (r + 1) * width))
}

/** Largest difference of two lists of rows. */
export function largestGap(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  if (a.length !== b.length) return Infinity
  let worst = 0
  a.forEach((row, r) => {
    if (row.length !== b[r].length) worst = Infinity
    for (let k = 0; k < row.length; k++) worst = Math.max(worst, Math.abs(row[k] - b[r][k]))
  })
  return worst
}
