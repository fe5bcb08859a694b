/** Attention and its gradient from the definition, one query row at a time. */
import type { AttentionAttrs } from '../../graph/primitive.js'
import { broadcastData } from './movement.js'
import type { Value } from './value.js'

interface Problem {
  readonly attrs: AttentionAttrs
  readonly q: Value
  readonly k: Value
  readonly v: Value
  readonly mask: Float64Array | null
  /** Keys in use. */
  readonly length: number
}

function problemOf(inputs: readonly Value[], extra: readonly Value[], attrs: AttentionAttrs): Problem {
  const [q, k, v] = inputs
  const [B, H, T] = q.shape
  const S = k.shape[2]
  const mask = attrs.mask === 'none' ? null : broadcastData(extra[0], [B, H, T, S])
  const length = attrs.hasLength ? Math.max(0, Math.min(S, extra[extra.length - 1].data[0])) : S
  return { attrs, q, k, v, mask, length }
}

/** Where the row (b, h, t) of queries looks: its key rows in `k` and `v`, and the scaled, masked scores (-Infinity: not seen). */
function rowScores(
  p: Problem,
  b: number,
  h: number,
  t: number,
): { scores: Float64Array; keyRow: (j: number) => number } {
  const [, H, T, D] = p.q.shape
  const [, G, S] = p.k.shape
  const group = Math.floor(h / (H / G))
  const keyRow = (j: number): number => (b * G + group) * S + j
  const queryRow = (b * H + h) * T + t
  const last = p.attrs.causal === 'none' ? S - 1 : p.attrs.causal === 'topLeft' ? t : t + p.length - T
  const scores = new Float64Array(S).fill(-Infinity)
  for (let j = 0; j < p.length; j++) {
    if (j > last) break
    const mask = p.mask === null ? 0 : p.mask[queryRow * S + j]
    if (p.attrs.mask === 'bool' && mask === 0) continue
    let dot = 0
    for (let d = 0; d < D; d++) dot += p.q.data[queryRow * D + d] * p.k.data[keyRow(j) * D + d]
    scores[j] = dot * p.attrs.scale + (p.attrs.mask === 'float' ? mask : 0)
  }
  return { scores, keyRow }
}

function logSumExp(scores: Float64Array): number {
  const top = scores.reduce((a, b) => Math.max(a, b), -Infinity)
  if (top === -Infinity) return -Infinity
  return top + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - top), 0))
}

/** -> [out, lse] */
export function attentionData(inputs: readonly Value[], attrs: AttentionAttrs): Float64Array[] {
  const p = problemOf(inputs, inputs.slice(3), attrs)
  const [B, H, T] = p.q.shape
  const E = p.v.shape[3]
  const out = new Float64Array(B * H * T * E)
  const lse = new Float64Array(B * H * T)
  for (let row = 0; row < B * H * T; row++) {
    const { scores, keyRow } = rowScores(p, Math.floor(row / (H * T)), Math.floor(row / T) % H, row % T)
    lse[row] = logSumExp(scores)
    if (lse[row] === -Infinity) continue
    scores.forEach((score, j) => {
      if (score === -Infinity) return
      const weight = Math.exp(score - lse[row])
      for (let e = 0; e < E; e++) out[row * E + e] += weight * p.v.data[keyRow(j) * E + e]
    })
  }
  return [out, lse]
}

/** Inputs q, k, v, out, lse, dout, mask?, length? -> [dq, dk, dv]. */
export function attentionGradData(inputs: readonly Value[], attrs: AttentionAttrs): Float64Array[] {
  const p = problemOf(inputs, inputs.slice(6), attrs)
  const [out, lse, dout] = inputs.slice(3, 6)
  const [B, H, T, D] = p.q.shape
  const E = p.v.shape[3]
  const [dq, dk, dv] = [p.q, p.k, p.v].map((t) => new Float64Array(t.data.length))
  for (let row = 0; row < B * H * T; row++) {
    if (lse.data[row] === -Infinity) continue
    const { scores, keyRow } = rowScores(p, Math.floor(row / (H * T)), Math.floor(row / T) % H, row % T)
    let delta = 0
    for (let e = 0; e < E; e++) delta += dout.data[row * E + e] * out.data[row * E + e]
    scores.forEach((score, j) => {
      if (score === -Infinity) return
      const weight = Math.exp(score - lse.data[row])
      let dWeight = 0
      for (let e = 0; e < E; e++) {
        dWeight += dout.data[row * E + e] * p.v.data[keyRow(j) * E + e]
        dv[keyRow(j) * E + e] += weight * dout.data[row * E + e]
      }
      const dScore = weight * (dWeight - delta) * attrs.scale
      for (let d = 0; d < D; d++) {
        dq[row * D + d] += dScore * p.k.data[keyRow(j) * D + d]
        dk[keyRow(j) * D + d] += dScore * p.q.data[row * D + d]
      }
    })
  }
  return [dq, dk, dv]
}
