/** attention and attentionGrad with the whole matrix of scores of one head at a time. */
import type { Dense } from '../views.js'
import type { RoutineCall, RoutineResults } from './context.js'

/** q, k, v, mask?, length? -> out [B, H, T, E], lse [B, H, T] */
export function attention({ step, operands }: RoutineCall): RoutineResults {
  const problem = problemOf(step.attrs, operands, operands.slice(3))
  const { B, H, T, S, E, v } = problem
  const out = new Float64Array(B * H * T * E)
  const lse = new Float64Array(B * H * T)
  forEachHead(problem, (b, h, g) => {
    const scores = scoresOf(problem, b, h, g)
    for (let t = 0; t < T; t++) {
      const row = (b * H + h) * T + t
      const rowScores = scores.subarray(t * S, (t + 1) * S)
      lse[row] = logSumExp(rowScores)
      if (lse[row] === -Infinity) continue
      for (let s = 0; s < S; s++) {
        const weight = Math.exp(rowScores[s] - lse[row])
        if (rowScores[s] === -Infinity) continue
        for (let e = 0; e < E; e++) out[row * E + e] += weight * v.data[((b * problem.G + g) * S + s) * E + e]
      }
    }
  })
  return [out, lse]
}

/** q, k, v, out, lse, dout, mask?, length? -> dq, dk, dv; with P = exp(scores - lse), dS = P · (dout vᵀ - Σ dout·out). */
export function attentionGrad({ step, operands }: RoutineCall): RoutineResults {
  const problem = problemOf(step.attrs, operands, operands.slice(6))
  const [q, k, v, out, lse, dout] = operands
  const { B, H, T, S, D, E, G, scale } = problem
  const dq = new Float64Array(B * H * T * D)
  const dk = new Float64Array(B * G * S * D)
  const dv = new Float64Array(B * G * S * E)
  forEachHead(problem, (b, h, g) => {
    const scores = scoresOf(problem, b, h, g)
    for (let t = 0; t < T; t++) {
      const row = (b * H + h) * T + t
      if (lse.data[row] === -Infinity) continue
      const delta = dot(dout.data, row * E, out.data, row * E, E)
      for (let s = 0; s < S; s++) {
        if (scores[t * S + s] === -Infinity) continue
        const key = (b * G + g) * S + s
        const weight = Math.exp(scores[t * S + s] - lse.data[row])
        const dScore = weight * (dot(dout.data, row * E, v.data, key * E, E) - delta) * scale
        for (let e = 0; e < E; e++) dv[key * E + e] += weight * dout.data[row * E + e]
        for (let d = 0; d < D; d++) {
          dq[row * D + d] += dScore * k.data[key * D + d]
          dk[key * D + d] += dScore * q.data[row * D + d]
        }
      }
    }
  })
  return [dq, dk, dv]
}

interface Problem {
  readonly B: number
  readonly H: number
  readonly T: number
  readonly D: number
  readonly G: number
  readonly S: number
  readonly E: number
  readonly q: Dense
  readonly k: Dense
  readonly v: Dense
  readonly scale: number
  /** What is added to a score; -Infinity where looking is not allowed. */
  readonly bias: (b: number, h: number, t: number, s: number) => number
}

function problemOf(attrs: RoutineCall['step']['attrs'], [q, k, v]: readonly Dense[], extra: readonly Dense[]): Problem {
  const [B, H, T, D] = q.shape
  const [, G, S] = k.shape
  const E = v.shape[3]
  const mask = attrs.mask === 'none' ? null : extra[0]
  const hasLength = extra.length > (mask === null ? 0 : 1)
  const length = hasLength ? Math.min(S, Math.max(0, extra[extra.length - 1].data[0])) : S
  const lastKey = (t: number): number =>
    attrs.causal === 'topLeft' ? t : attrs.causal === 'bottomRight' ? t + length - T : S
  const maskAt = (at: readonly number[]): number => {
    if (mask === null) return 0
    // axes of size 1 are broadcast
    const place = mask.shape.reduce((sum, size, axis) => sum * size + (size === 1 ? 0 : at[axis]), 0)
    const value = mask.data[place]
    return attrs.mask === 'bool' ? (value === 0 ? -Infinity : 0) : value
  }
  const bias = (b: number, h: number, t: number, s: number): number =>
    s >= length || s > lastKey(t) ? -Infinity : maskAt([b, h, t, s])
  return { B, H, T, D, G, S, E, q, k, v, scale: Number(attrs.scale), bias }
}

function forEachHead({ B, H, G }: Problem, visit: (b: number, h: number, g: number) => void): void {
  for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) visit(b, h, Math.floor(h / (H / G)))
}

/** [T, S] of one head; keys that may not be seen are never read. */
function scoresOf({ H, T, S, D, G, q, k, scale, bias }: Problem, b: number, h: number, g: number): Float64Array {
  const scores = new Float64Array(T * S)
  for (let t = 0; t < T; t++)
    for (let s = 0; s < S; s++) {
      const added = bias(b, h, t, s)
      const query = (b * H + h) * T + t
      const key = (b * G + g) * S + s
      scores[t * S + s] = added === -Infinity ? added : dot(q.data, query * D, k.data, key * D, D) * scale + added
    }
  return scores
}

function dot(a: Float64Array, aStart: number, b: Float64Array, bStart: number, count: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += a[aStart + i] * b[bStart + i]
  return sum
}

function logSumExp(scores: Float64Array): number {
  const top = scores.reduce((a, b) => Math.max(a, b), -Infinity)
  if (top === -Infinity) return -Infinity
  return top + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0))
}
