/** On the CPU, results do not depend on fusion, threads, rematerialisation, SIMD scheduling or the run. */
import {
  add,
  bytes,
  checkpoint,
  compile,
  crossEntropy,
  embedding,
  gelu,
  layerNorm,
  matmul,
  mul,
  random,
  reshape,
  scaledDotProductAttention,
  setDefaultBackend,
  slice,
  sub,
  tensor,
  transpose,
  valueAndGrad,
  type Backend,
  type Tensor,
} from '@tarazed/tensor'
import { afterEach, describe, expect, it } from 'vitest'
import { openCpu } from '../src/index.js'

const [B, T, D, H, V] = [3, 21, 40, 5, 37]

type Parameters = Readonly<Record<'table' | 'qkv' | 'project' | 'up' | 'down' | 'head' | 'weight' | 'bias', Tensor>>

async function parameters(): Promise<Parameters> {
  const shapes = {
    table: [V, D],
    qkv: [D, 3 * D],
    project: [D, D],
    up: [D, 4 * D],
    down: [4 * D, D],
    head: [D, V],
    weight: [D],
    bias: [D],
  }
  const entries = Object.entries(shapes).map(async ([name, shape], k) => {
    const value = mul(random.normal(random.key(k), shape), 0.3)
    return [name, tensor(new Float32Array(await value.data()), { shape })] as const
  })
  return Object.fromEntries(await Promise.all(entries)) as Parameters
}

function block(h: Tensor, p: Parameters): Tensor {
  const qkv = matmul(layerNorm(h, p.weight, p.bias), p.qkv)
  const heads = (k: number): Tensor =>
    transpose(reshape(slice(qkv, [null, null, [k * D, (k + 1) * D]]), [B, T, H, D / H]), [0, 2, 1, 3])
  const mixed = scaledDotProductAttention(heads(0), heads(1), heads(2), { causal: 'topLeft' })
  const attended = add(h, matmul(reshape(transpose(mixed, [0, 2, 1, 3]), [B, T, D]), p.project))
  return add(attended, matmul(gelu(matmul(layerNorm(attended, p.weight, p.bias), p.up)), p.down))
}

const ids = (offset: number): Tensor =>
  tensor(
    Int32Array.from({ length: B * T }, (_, k) => (k * 7 + offset) % V),
    { shape: [B, T], dtype: 'i32' },
  )

function trainStep(remat: boolean) {
  const run = remat ? checkpoint(block) : block
  return (params: Parameters): unknown => {
    const loss = (p: Parameters): Tensor => {
      let h = embedding(p.table, ids(0))
      for (let k = 0; k < 2; k++) h = run(h, p)
      return crossEntropy(matmul(h, p.head), ids(1))
    }
    const [value, grads] = valueAndGrad(loss)(params)
    const updated = Object.entries(params).map(
      ([name, p]) => [name, sub(p, mul((grads as Parameters)[name as keyof Parameters], 0.05))] as const,
    )
    return { value, params: Object.fromEntries(updated) }
  }
}

let backend: Backend | null = null
afterEach(async () => {
  await backend?.close()
  backend = null
})

/** Bytes of everything after three steps. */
async function run(options: { threads: number; fuse?: boolean; remat?: boolean }): Promise<string> {
  backend = await openCpu({ threads: options.threads })
  setDefaultBackend(backend)
  const step = compile(trainStep(options.remat ?? false), { fuse: options.fuse ?? true, donate: [0] })
  let params = await parameters()
  let value: Tensor | undefined
  for (let k = 0; k < 3; k++) {
    const result = (await step(params)) as { value: Tensor; params: Parameters }
    params = result.params
    value = result.value
  }
  const parts = await Promise.all([value as Tensor, ...Object.values(params)].map(bytes))
  await backend.close()
  return parts.map((part) => Buffer.from(part).toString('base64')).join('|')
}

describe('bits on the CPU', () => {
  it('are the same fused and unfused, on one thread and two, plain and rematerialised, and run to run', async () => {
    const plain = await run({ threads: 1 })
    expect(plain.length).toBeGreaterThan(1000)
    expect(await run({ threads: 1 })).toBe(plain)
    expect(await run({ threads: 2 })).toBe(plain)
    expect(await run({ threads: 1, fuse: false })).toBe(plain)
    expect(await run({ threads: 2, remat: true })).toBe(plain)
  }, 60_000)
})
