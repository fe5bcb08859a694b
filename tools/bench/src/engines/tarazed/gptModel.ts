/** The 2-layer GPT of the bench, as a user would write it. */
import {
  add,
  crossEntropy,
  div,
  embedding,
  flattenTree,
  gelu,
  layerNorm,
  mapTree,
  matmul,
  mul,
  ones,
  reshape,
  scaledDotProductAttention,
  slice,
  sqrt,
  sub,
  tensor,
  transpose,
  valueAndGrad,
  zeros,
  type Tensor,
} from '@tarazed/tensor'
import { ADAMW, GPT } from '../../benches/gpt.js'
import { randomNumbers } from '../../timing.js'

const { layers: L, width: D, heads: H, time: T, batch: B, vocabulary: V } = GPT

interface Norm {
  readonly weight: Tensor
  readonly bias: Tensor
}

type Linear = Norm

interface Block {
  readonly ln_1: Norm
  readonly c_attn: Linear
  readonly c_proj: Linear
  readonly ln_2: Norm
  readonly c_fc: Linear
  readonly mlp_proj: Linear
}

export interface Parameters {
  readonly wte: Tensor
  readonly wpe: Tensor
  readonly h: readonly Block[]
  readonly ln_f: Norm
  readonly lm_head: Tensor
}

export function initialParameters(): Parameters {
  let seed = 1
  const random = (...shape: number[]): Tensor =>
    tensor(
      randomNumbers(
        shape.reduce((a, b) => a * b, 1),
        seed++,
        0.05,
      ),
      { shape },
    )
  const norm = (): Norm => ({ weight: ones([D]), bias: zeros([D]) })
  const linear = (from: number, to: number): Linear => ({ weight: random(from, to), bias: zeros([to]) })
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

const apply = (x: Tensor, { weight, bias }: Linear): Tensor => add(matmul(x, weight), bias)

function attend(x: Tensor, block: Block): Tensor {
  const qkv = apply(x, block.c_attn)
  const heads = (k: number): Tensor =>
    transpose(reshape(slice(qkv, [null, null, [k * D, (k + 1) * D]]), [B, T, H, D / H]), [0, 2, 1, 3])
  const mixed = scaledDotProductAttention(heads(0), heads(1), heads(2), { causal: 'topLeft' })
  return apply(reshape(transpose(mixed, [0, 2, 1, 3]), [B, T, D]), block.c_proj)
}

/** Mean cross-entropy of next tokens; x and y i32 [B, T]. */
export function loss(p: Parameters, x: Tensor, y: Tensor): Tensor {
  let h = add(embedding(p.wte, x), p.wpe)
  for (const block of p.h) {
    h = add(h, attend(layerNorm(h, block.ln_1.weight, block.ln_1.bias), block))
    const hidden = gelu(apply(layerNorm(h, block.ln_2.weight, block.ln_2.bias), block.c_fc), { approximate: 'tanh' })
    h = add(h, apply(hidden, block.mlp_proj))
  }
  return crossEntropy(matmul(layerNorm(h, p.ln_f.weight, p.ln_f.bias), p.lm_head), y)
}

export interface State {
  readonly params: Parameters
  readonly m: Parameters
  readonly v: Parameters
}

/** Parameters and zero moments. */
export function initialState(): State {
  const params = initialParameters()
  const zeroMoments = (): Parameters => mapTree(params, (leaf) => zeros(leaf.shape))
  return { params, m: zeroMoments(), v: zeroMoments() }
}

/** One AdamW step; see `ADAMW`. */
export function trainStep({ params, m, v }: State, x: Tensor, y: Tensor): { value: Tensor; state: State } {
  const { learningRate, weightDecay, beta1, beta2, epsilon } = ADAMW
  const [value, grads] = valueAndGrad((p: Parameters) => loss(p, x, y))(params)
  const tree = flattenTree(params)
  const [gs, ms, vs] = [grads, m, v].map((t) => flattenTree(t).leaves)
  const updated = tree.leaves.map((p, k) => {
    const first = add(mul(ms[k], beta1), mul(gs[k], 1 - beta1))
    const second = add(mul(vs[k], beta2), mul(mul(gs[k], gs[k]), 1 - beta2))
    const change = mul(div(first, add(sqrt(second), epsilon)), learningRate)
    return { p: sub(mul(p, 1 - learningRate * weightDecay), change), m: first, v: second }
  })
  const build = (pick: (u: (typeof updated)[number]) => Tensor): Parameters =>
    tree.def.build(updated.map(pick)) as Parameters
  return { value, state: { params: build((u) => u.p), m: build((u) => u.m), v: build((u) => u.v) } }
}
