/**
 * The language model of the bench `lm` in jax-js: the weights, the loss and the update of `tarazed/lmTraining.ts`. What follows
 * a choice was tried the other ways round: this one is the fastest.
 */
import { nn, numpy as np, tree, valueAndGrad, type Array as JaxArray } from '@jax-js/jax'
import { LM_ADAMW, type LmSize } from '../../benches/lmTraining.js'
import { lmConfig, lmIds, lmWeights } from '../../lmModel.js'

/** Weights by name. */
type Weights = Readonly<Record<string, JaxArray>>

export function initialWeights(size: LmSize): Weights {
  const numbers = Object.entries(lmWeights(size))
  return Object.fromEntries(numbers.map(([name, { values, shape }]) => [name, np.array(values, { shape: [...shape] })]))
}

/** Tokens that are read and tokens that follow them, both i32 [B·T]. */
export function batch(size: LmSize, seed: number): [x: JaxArray, y: JaxArray] {
  const ids = lmIds(size, seed)
  const cut = (offset: number): JaxArray => {
    const rows = Array.from({ length: size.batch }, (_, row) => row * (size.time + 1) + offset)
    const values = rows.flatMap((begin) => [...ids.subarray(begin, begin + size.time)])
    return np.array(Int32Array.from(values), { shape: [values.length], dtype: np.int32 })
  }
  return [cut(0), cut(1)]
}

const apply = (x: JaxArray, weight: JaxArray): JaxArray => np.matmul(x, weight.transpose())

function rmsNorm(x: JaxArray, weight: JaxArray, eps: number): JaxArray {
  const meanSquare = np.mean(np.square(x.ref), -1, { keepdims: true })
  return x.mul(np.reciprocal(np.sqrt(meanSquare.add(eps)))).mul(weight)
}

/** Cosine and sine of the angle of every position and channel, [T, 1, D] each. */
function rotaryTables({ time, width, heads }: LmSize, theta: number): { cos: JaxArray; sin: JaxArray } {
  const D = width / heads
  const table = (of: (angle: number) => number): JaxArray => {
    const values = Float32Array.from({ length: time * D }, (_, k) => {
      const pair = (k % D) % (D / 2)
      return of(Math.floor(k / D) * theta ** ((-2 * pair) / D))
    })
    return np.array(values, { shape: [time, 1, D] })
  }
  return { cos: table(Math.cos), sin: table(Math.sin) }
}

/** x [B, T, H, D]: channel p turns with channel p + D/2. */
function rotated(x: JaxArray, { cos, sin }: { cos: JaxArray; sin: JaxArray }): JaxArray {
  const [a, b] = np.split(x.ref, 2, -1)
  return x.mul(cos.ref).add(np.concatenate([b.mul(-1), a], -1).mul(sin.ref))
}

/** Mean cross-entropy of tokens y behind tokens x, i32 [B·T] both. The stream is [B·T, width] throughout. */
export function lossOf(size: LmSize): (weights: Weights, x: JaxArray, y: JaxArray) => JaxArray {
  const { layers, width, heads: H, time: T, batch: B, vocabulary } = size
  const { rms_norm_eps: eps, rope_theta: theta } = lmConfig(size)
  const D = width / H

  return (weights, x, y) => {
    const tables = rotaryTables(size, theta)
    const attend = (h: JaxArray, layer: string): JaxArray => {
      const heads = (name: string): JaxArray =>
        apply(h.ref, weights[`${layer}.self_attn.${name}.weight`]).reshape([B, T, H, D])
      const q = rotated(heads('q_proj'), tables).transpose([0, 2, 1, 3]) // [B,H,T,D]
      const k = rotated(heads('k_proj'), tables).transpose([0, 2, 3, 1]) // [B,H,D,T]
      const v = heads('v_proj').transpose([0, 2, 1, 3])
      h.dispose()
      const scores = np.matmul(q, k).mul(1 / Math.sqrt(D)) // [B,H,T,T]
      const causal = np.where(np.tri(T, T, 0, { dtype: np.bool }), scores, -Infinity)
      const mixed = np.matmul(nn.softmax(causal), v).transpose([0, 2, 1, 3]) // [B,T,H,D]
      return apply(mixed.reshape([B * T, width]), weights[`${layer}.self_attn.o_proj.weight`])
    }
    const feedForward = (h: JaxArray, layer: string): JaxArray => {
      const gate = apply(h.ref, weights[`${layer}.mlp.gate_proj.weight`])
      const up = apply(h, weights[`${layer}.mlp.up_proj.weight`])
      return apply(nn.silu(gate).mul(up), weights[`${layer}.mlp.down_proj.weight`])
    }

    // A gather, whose gradient runs in JavaScript: a product with rows of this vocabulary, one-hot, takes seconds.
    let h = weights['model.embed_tokens.weight'].slice(x)
    for (let k = 0; k < layers; k++) {
      const layer = `model.layers.${k}`
      h = h.ref.add(attend(rmsNorm(h, weights[`${layer}.input_layernorm.weight`], eps), layer))
      const normed = rmsNorm(h.ref, weights[`${layer}.post_attention_layernorm.weight`], eps)
      h = h.add(feedForward(normed, layer))
    }
    const logits = apply(rmsNorm(h, weights['model.norm.weight'], eps), weights['lm_head.weight']) // [B·T,V]
    tree.dispose(tables)
    const chosen = logits.ref.mul(nn.oneHot(y, vocabulary)).sum(-1)
    return nn.logsumexp(logits, -1).sub(chosen).mean()
  }
}

export type LmState = { readonly params: Weights; readonly m: Weights; readonly v: Weights; readonly step: JaxArray }

/** Weights and zero moments. */
export function initialState(size: LmSize): LmState {
  const params = initialWeights(size)
  const zeros = (): Weights => tree.map((leaf) => np.zeros(leaf.shape), params)
  return { params, m: zeros(), v: zeros(), step: np.zeros([]) }
}

/** One AdamW step on clipped gradients; consumes its arguments. */
export function trainStep(
  size: LmSize,
): (state: LmState, x: JaxArray, y: JaxArray) => { loss: JaxArray; state: LmState } {
  const { learningRate, weightDecay, beta1, beta2, epsilon } = LM_ADAMW
  const lossAndGrads = valueAndGrad(lossOf(size))

  return ({ params, m, v, step }, x, y) => {
    const [loss, grads] = lossAndGrads(tree.ref(params), x, y)
    const clipped = clipByGlobalNorm(grads)
    const m1 = tree.map((moment, g) => moment.mul(beta1).add(g.ref.mul(1 - beta1)), m, clipped)
    const v1 = tree.map((moment, g) => moment.mul(beta2).add(np.square(g).mul(1 - beta2)), v, clipped)
    const t = step.add(1)
    const stepSize = np.reciprocal(biasCorrection(beta1, t.ref)).mul(learningRate)
    const rootScale = np.reciprocal(np.sqrt(biasCorrection(beta2, t.ref)))
    const updated = tree.map(
      (p, first, second) => {
        const decay = p.shape.length > 1 ? weightDecay : 0
        const change = first.ref.mul(stepSize.ref).div(np.sqrt(second.ref).mul(rootScale.ref).add(epsilon))
        return p.mul(1 - learningRate * decay).sub(change)
      },
      params,
      m1,
      v1,
    )
    tree.dispose([stepSize, rootScale])
    return { loss, state: { params: updated, m: m1, v: v1, step: t } }
  }
}

function clipByGlobalNorm(grads: Weights): Weights {
  const squares = tree.leaves(tree.map((g) => np.square(g.ref).sum(), grads))
  const norm = np.sqrt(squares.reduce((sum, square) => sum.add(square)))
  const factor = np.minimum(np.reciprocal(norm.add(1e-6)).mul(LM_ADAMW.clip), 1)
  const clipped = tree.map((g) => g.mul(factor.ref), grads)
  factor.dispose()
  return clipped
}

/** 1 - βᵗ */
function biasCorrection(beta: number, t: JaxArray): JaxArray {
  return np
    .exp(t.mul(Math.log(beta)))
    .mul(-1)
    .add(1)
}
