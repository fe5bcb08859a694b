/** Aquila2 once more, written from the formulas in plain float64 loops over one sequence: what the tests compare with. */
import type { Aquila2Config } from '../src/index.js'

type Matrix = readonly Float64Array[]

/** Weights by checkpoint name, row-major. */
export type PlainWeights = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>
>

/** Logits [T][V] of a sequence without padding. @param length what a dynamic base is computed from, default T */
export function plainLogits(
  config: Aquila2Config,
  weights: PlainWeights,
  ids: readonly number[],
  length = ids.length,
): Float64Array[] {
  const matrix = (name: string): Matrix => rowsOf(weights[name])
  const vector = (name: string): Float64Array => Float64Array.from(weights[name].data)
  const norm = (x: Float64Array, weight: Float64Array): Float64Array => {
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length
    return x.map((value, k) => (value / Math.sqrt(mean + config.rms_norm_eps)) * weight[k])
  }
  const table = matrix('model.embed_tokens.weight')
  let stream = ids.map((id) => table[id])
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = (name: string): string => `model.layers.${layer}.${name}.weight`
    const normed = stream.map((x) => norm(x, vector(at('input_layernorm'))))
    const attended = attention(config, (name) => matrix(at(`self_attn.${name}`)), normed, length)
    stream = stream.map((x, t) => x.map((value, k) => value + attended[t][k]))
    const [gate, up, down] = ['gate_proj', 'up_proj', 'down_proj'].map((name) => matrix(at(`mlp.${name}`)))
    stream = stream.map((x) => {
      const y = norm(x, vector(at('post_attention_layernorm')))
      const opened = times(gate, y).map((value) => value / (1 + Math.exp(-value)))
      const hidden = times(up, y).map((value, k) => value * opened[k])
      const added = times(down, hidden)
      return x.map((value, k) => value + added[k])
    })
  }
  const [final, head] = [vector('model.norm.weight'), matrix('lm_head.weight')]
  return stream.map((x) => times(head, norm(x, final)))
}

function attention(
  config: Aquila2Config,
  matrix: (name: string) => Matrix,
  x: readonly Float64Array[],
  length: number,
): Float64Array[] {
  const { num_attention_heads: H, num_key_value_heads: G } = config
  const [q, k, v] = ['q_proj', 'k_proj', 'v_proj'].map((name) => x.map((row) => times(matrix(name), row)))
  const D = q[0].length / H
  const frequencies = plainFrequencies(config, D, length)
  const head = (row: Float64Array, h: number): Float64Array => row.subarray(h * D, (h + 1) * D)
  const turned = (row: Float64Array, t: number): Float64Array => {
    const half = D / 2
    return row.map((value, d) => {
      const angle = t * frequencies[d % half]
      const other = d < half ? -row[d + half] : row[d - half]
      return value * Math.cos(angle) + other * Math.sin(angle)
    })
  }
  const joined = x.map(() => new Float64Array(H * D))
  for (let h = 0; h < H; h++) {
    const g = Math.floor((h * G) / H)
    const keys = k.map((row, t) => turned(head(row, g), t))
    joined.forEach((out, t) => {
      const query = turned(head(q[t], h), t)
      const scores = keys.slice(0, t + 1).map((key) => dot(query, key) / Math.sqrt(D))
      const most = Math.max(...scores)
      const weights = scores.map((score) => Math.exp(score - most))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      for (let d = 0; d < D; d++)
        out[h * D + d] = weights.reduce((sum, weight, s) => sum + (weight / total) * head(v[s], g)[d], 0)
    })
  }
  return joined.map((row) => times(matrix('o_proj'), row))
}

function plainFrequencies(config: Aquila2Config, D: number, length: number): number[] {
  const { rope_theta, rope_scaling: scaling, max_position_embeddings: limit } = config
  const factor = scaling?.factor ?? 1
  const type = scaling?.rope_type ?? scaling?.type
  const isDynamic = type === 'dynamic' && length > limit
  const theta = isDynamic ? rope_theta * ((factor * length) / limit - (factor - 1)) ** (D / (D - 2)) : rope_theta
  const slower = type === 'linear' ? factor : 1
  return Array.from({ length: D / 2 }, (_, i) => 1 / theta ** ((2 * i) / D) / slower)
}

function rowsOf({ shape, data }: PlainWeights[string]): Matrix {
  const [rows, columns] = shape
  const all = Float64Array.from(data)
  return Array.from({ length: rows }, (_, r) => all.subarray(r * columns, (r + 1) * columns))
}

function times(matrix: Matrix, x: Float64Array): Float64Array {
  return Float64Array.from(matrix, (row) => dot(row, x))
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k]
  return sum
}
