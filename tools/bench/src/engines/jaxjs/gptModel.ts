/** The 2-layer GPT of the bench in jax-js: the parameters, the loss and the optimiser of `tarazed/gptModel.ts`. */
import { nn, numpy as np, tree, valueAndGrad, type Array as JaxArray } from '@jax-js/jax'
import { ADAMW, GPT } from '../../benches/gpt.js'
import { randomArray } from './open.js'

const { layers: L, width: D, heads: H, time: T, batch: B, vocabulary: V } = GPT

type Linear = { readonly weight: JaxArray; readonly bias: JaxArray }
type Norm = Linear
type Block = {
  readonly ln_1: Norm
  readonly c_attn: Linear
  readonly c_proj: Linear
  readonly ln_2: Norm
  readonly c_fc: Linear
  readonly mlp_proj: Linear
}
export type Parameters = {
  readonly wte: JaxArray
  readonly wpe: JaxArray
  readonly h: readonly Block[]
  readonly ln_f: Norm
  readonly lm_head: JaxArray
}

export function initialParameters(): Parameters {
  let seed = 1
  const random = (...shape: number[]): JaxArray => randomArray(shape, seed++, 0.05)
  const norm = (): Norm => ({ weight: np.ones([D]), bias: np.zeros([D]) })
  const linear = (from: number, to: number): Linear => ({ weight: random(from, to), bias: np.zeros([to]) })
  return {
    wte: random(V, D),
    wpe: random(T, D),
    h: Array.from({ length: L }, () => ({
      ln_1: norm(),
      c_attn: linear(D, 3 * D),
      c_proj: linear(D, D),
      ln_2: norm(),
      c_fc: linear(D, 4 * D),
      mlp_proj: linear(4 * D, D),
    })),
    ln_f: norm(),
    lm_head: random(D, V),
  }
}

// The hidden state is [B·T, D] throughout: the fast kernels of jax-js are for plain matrices.
const apply = (x: JaxArray, { weight, bias }: Linear): JaxArray => np.matmul(x, weight).add(bias)
const layerNorm = (x: JaxArray, { weight, bias }: Norm): JaxArray => nn.standardize(x).mul(weight).add(bias)

/** Written out: `nn.dotProductAttention` does the same through `einsum`, which needs Node 22. */
function attend(x: JaxArray, block: Block): JaxArray {
  const [q, k, v] = np
    .split(apply(x, block.c_attn), 3, -1)
    .map((part) => part.reshape([B, T, H, D / H]).transpose([0, 2, 1, 3])) // [B,H,T,D/H]
  const scores = np.matmul(q, k.transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(D / H)) // [B,H,T,T]
  const causal = np.where(np.tri(T, T, 0, { dtype: np.bool }), scores, -Infinity)
  const mixed = np.matmul(nn.softmax(causal), v).transpose([0, 2, 1, 3]) // [B,T,H,D/H]
  return apply(mixed.reshape([B * T, D]), block.c_proj)
}

/** Mean cross-entropy of next tokens; x and y i32 [B, T]. Table lookups are products with one-hot rows, which is faster there. */
function loss(p: Parameters, x: JaxArray, y: JaxArray): JaxArray {
  let h = np
    .matmul(nn.oneHot(x.reshape([B * T]), V), p.wte)
    .reshape([B, T, D])
    .add(p.wpe)
    .reshape([B * T, D])
  for (const block of p.h) {
    h = h.ref.add(attend(layerNorm(h, block.ln_1), block))
    const hidden = nn.gelu(apply(layerNorm(h.ref, block.ln_2), block.c_fc), { approximate: true })
    h = h.add(apply(hidden, block.mlp_proj))
  }
  const logits = np.matmul(layerNorm(h, p.ln_f), p.lm_head) // [B·T,V]
  return nn
    .logSoftmax(logits)
    .mul(nn.oneHot(y.reshape([B * T]), V))
    .sum(-1)
    .mean()
    .mul(-1)
}

export type State = { readonly params: Parameters; readonly m: Parameters; readonly v: Parameters }

/** Parameters and zero moments. */
export function initialState(): State {
  const params = initialParameters()
  const zeros = (): Parameters => tree.map((leaf) => np.zeros(leaf.shape), params)
  return { params, m: zeros(), v: zeros() }
}

/** One AdamW step; consumes its arguments. */
export function trainStep({ params, m, v }: State, x: JaxArray, y: JaxArray): { value: JaxArray; state: State } {
  const { learningRate, weightDecay, beta1, beta2, epsilon } = ADAMW
  const [value, grads] = valueAndGrad(loss)(tree.ref(params), x, y)
  const m1 = tree.map((moment, g) => moment.mul(beta1).add(g.ref.mul(1 - beta1)), m, grads)
  const v1 = tree.map((moment, g) => moment.mul(beta2).add(np.square(g).mul(1 - beta2)), v, grads)
  const updated = tree.map(
    (p, first, second) =>
      p.mul(1 - learningRate * weightDecay).sub(first.ref.div(np.sqrt(second.ref).add(epsilon)).mul(learningRate)),
    params,
    m1,
    v1,
  )
  return { value, state: { params: updated, m: m1, v: v1 } }
}
