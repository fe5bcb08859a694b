/** What becomes one step, what shares memory: facts about programs. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  add,
  concat,
  compile,
  crossEntropy,
  div,
  embedding,
  explain,
  layerNorm,
  matmul,
  mul,
  ones,
  openReference,
  relu,
  reshape,
  rmsNorm,
  setDefaultBackend,
  sign,
  slice,
  softmax,
  sqrt,
  sub,
  sum,
  tensor,
  transpose,
  validateProgram,
  valueAndGrad,
  zeros,
  type Backend,
  type Program,
  type Tensor,
} from '../../src/index.js'

let backend: Backend
beforeAll(() => {
  backend = openReference()
  setDefaultBackend(backend)
})
afterAll(() => backend.close())

async function programOf<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  args: A,
  donate: readonly number[] = [],
): Promise<Program> {
  const program = await compile(fn, { donate }).program(...args)
  validateProgram(program)
  return program
}

/** Kinds of steps, routines by name; `then n` for an epilogue with n stores. */
const kinds = (program: Program): string[] =>
  program.steps.map((step) => {
    if (step.kind !== 'routine') return step.kind
    return step.epilogue === undefined ? step.name : `${step.name} then ${step.epilogue.stores.length}`
  })
const x = (): Tensor => ones([6, 40])

describe('fusion', () => {
  it.each([-1, 0])('makes softmax over axis %i one step', async (axis) => {
    expect(kinds(await programOf((t: Tensor) => softmax(t, { axis }), [x()]))).toEqual(['fused'])
  })

  it('makes RMS norm and layer norm one step', async () => {
    expect(kinds(await programOf((t: Tensor, w: Tensor) => rmsNorm(t, w), [x(), ones([40])]))).toEqual(['fused'])
    expect(
      kinds(await programOf((t: Tensor, w: Tensor, b: Tensor) => layerNorm(t, w, b), [x(), ones([40]), zeros([40])])),
    ).toEqual(['fused'])
  })

  it('makes the rows of cross-entropy one step', async () => {
    const target = tensor([1, 2, 3, 4, 5, 6], { dtype: 'i32' })
    const program = await programOf((t: Tensor, y: Tensor) => crossEntropy(t, y, { reduction: 'none' }), [x(), target])
    expect(kinds(program)).toEqual(['fused'])
  })

  it('makes an AdamW update one step that writes parameters and both moments in place', async () => {
    const update = (p: Tensor, g: Tensor, m: Tensor, v: Tensor): unknown => {
      const m1 = add(mul(m, 0.9), mul(g, 0.1))
      const v1 = add(mul(v, 0.95), mul(mul(g, g), 0.05))
      return { p: sub(mul(p, 0.999), mul(div(m1, add(sqrt(v1), 1e-8)), 1e-3)), m: m1, v: v1 }
    }
    const program = await programOf(update, [x(), x(), x(), x()], [0, 2, 3])
    expect(kinds(program)).toEqual(['fused'])
    expect(program.arenaBytes).toBe(0)
    const aliases = program.slots.flatMap((slot) => (slot.place.kind === 'output' ? [slot.place.aliasOf] : []))
    expect(aliases).toEqual([0, 2, 3])
  })

  it('makes two results of one update one step, though neither reads the other', async () => {
    const lion = (p: Tensor, g: Tensor, m: Tensor): unknown => [
      sub(p, mul(sign(add(mul(m, 0.9), mul(g, 0.1))), 1e-3)),
      add(mul(m, 0.99), mul(g, 0.01)),
    ]
    expect(kinds(await programOf(lion, [x(), x(), x()], [0, 2]))).toEqual(['fused'])
  })

  it('keeps siblings apart when one waits for the other', async () => {
    const order = (a: Tensor, w: Tensor): unknown => {
      const early = mul(a, 2)
      return [early, mul(a, matmul(early, w))]
    }
    const program = await programOf(order, [ones([4, 4]), ones([4, 4])])
    expect(kinds(program)).toEqual(['fused', 'matmul then 1'])
  })

  it('makes what follows a product element by element its epilogue, though the product is an output too', async () => {
    const layer = (h: Tensor, w: Tensor, b: Tensor): unknown => {
      const product = matmul(h, w)
      return [product, relu(add(product, b)), mul(product, 2)]
    }
    const program = await programOf(layer, [ones([6, 8]), ones([8, 5]), ones([5])])
    expect(kinds(program)).toEqual(['matmul then 2'])
  })

  it('keeps reductions, transposed readers of a slice and values that wait for a later product out of epilogues', async () => {
    const rows = (h: Tensor, w: Tensor): unknown => softmax(matmul(h, w))
    expect(kinds(await programOf(rows, [ones([6, 8]), ones([8, 8])]))).toEqual(['matmul', 'fused'])
    const part = (h: Tensor, w: Tensor): unknown => relu(slice(matmul(h, w), [null, [0, 4]]))
    expect(kinds(await programOf(part, [ones([6, 8]), ones([8, 8])]))).toEqual(['matmul', 'fused'])
    const later = (h: Tensor, w: Tensor): unknown => {
      const first = matmul(h, w)
      return mul(first, matmul(first, w))
    }
    expect(kinds(await programOf(later, [ones([8, 8]), ones([8, 8])]))).toEqual(['matmul', 'matmul then 1'])
  })

  it('hands the product on to its epilogue in place', async () => {
    const layers = (h: Tensor, w: Tensor): Tensor => matmul(relu(matmul(h, w)), w)
    const program = await programOf(layers, [ones([16, 16]), ones([16, 16])])
    expect(kinds(program)).toEqual(['matmul then 1', 'matmul'])
    expect(program.arenaBytes).toBe(16 * 16 * 4)
  })

  it('updates a weight as the epilogue of its gradient, in place, after the product that reads the weight', async () => {
    const step = (w: Tensor, v: Tensor, h: Tensor): unknown => {
      const loss = (p: { w: Tensor; v: Tensor }): Tensor => sum(relu(matmul(relu(matmul(h, p.v)), p.w)))
      const [value, grads] = valueAndGrad(loss)({ w, v })
      return [value, sub(w, mul(grads.w, 0.1)), sub(v, mul(grads.v, 0.1))]
    }
    const program = await programOf(step, [ones([8, 4]), ones([6, 8]), ones([5, 6])], [0, 1])
    const aliases = program.slots.flatMap((slot) => (slot.place.kind === 'output' ? [slot.place.aliasOf] : []))
    expect(aliases).toEqual([undefined, 0, 1])
    expect(kinds(program).filter((kind) => kind === 'matmul')).toEqual([])
  })

  it('reads transposed, sliced and split heads without a copy', async () => {
    const scores = (q: Tensor): Tensor => {
      const heads = transpose(reshape(slice(q, [null, null, [0, 8]]), [2, 5, 2, 4]), [0, 2, 1, 3])
      return matmul(heads, transpose(heads, [0, 1, 3, 2]))
    }
    expect(kinds(await programOf(scores, [ones([2, 5, 24])]))).toEqual(['matmul'])
  })

  it('joins parts of one size back without leaving affine addresses', async () => {
    const joined = (a: Tensor, b: Tensor): Tensor => mul(concat([transpose(a), transpose(b)], { axis: 1 }), 2)
    const program = await programOf(joined, [ones([32, 3]), ones([32, 3])])
    expect(kinds(program)).toEqual(['fused'])
    const [step] = program.steps
    const gathered =
      step.kind === 'fused' ? step.exprs.filter((expr) => expr.op === 'load' && expr.access.gathered.length > 0) : []
    expect(gathered).toEqual([])
  })

  it('reads rows of a table inside the step that uses them', async () => {
    const used = (table: Tensor, index: Tensor): Tensor => add(embedding(table, index), 1)
    expect(kinds(await programOf(used, [ones([10, 4]), tensor([3, 1], { dtype: 'i32' })]))).toEqual(['fused'])
  })

  it('stores a value with two readers once when it is dear', async () => {
    const twice = (a: Tensor, b: Tensor): unknown => {
      const h = softmax(a)
      return [matmul(h, b), sum(h)]
    }
    const program = await programOf(twice, [x(), ones([40, 3])])
    expect(kinds(program).filter((kind) => kind === 'matmul')).toHaveLength(1)
    expect(
      program.steps.filter((step) => step.kind === 'fused' && step.exprs.some((expr) => expr.op === 'exp')),
    ).toHaveLength(1)
  })

  it('keeps temporaries of a deep chain in a small arena', async () => {
    const chain = (a: Tensor, w: Tensor): Tensor => {
      let h = a
      for (let k = 0; k < 20; k++) h = relu(matmul(h, w))
      return h
    }
    const program = await programOf(chain, [ones([64, 64]), ones([64, 64])])
    expect(program.arenaBytes).toBeLessThanOrEqual(3 * 64 * 64 * 4)
  })

  it('plans backward passes that the validator accepts, fused and not', async () => {
    const loss = (w: Tensor, t: Tensor): Tensor => sum(softmax(layerNorm(matmul(t, w))))
    for (const fuse of [true, false])
      validateProgram(
        await compile((w: Tensor, t: Tensor) => valueAndGrad((p: Tensor) => loss(p, t))(w), { fuse }).program(
          ones([40, 8]),
          x(),
        ),
      )
  })

  it('sums over empty axes', async () => {
    const program = await programOf((t: Tensor) => sum(t, { axes: [0, 2] }), [zeros([0, 3, 4])])
    expect(program.outputCount).toBe(1)
    expect([...(await sum(zeros([0, 3, 4]), { axes: [0, 2] }).data())]).toEqual([0, 0, 0])
  })

  it('copies an input that comes out again under another shape, also through reductions of nothing', async () => {
    const input = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype: 'f32' },
    )
    expect([...(await sum(reshape(input, [4, 1]), { axes: 1 }).data())]).toEqual([1, 2, 3, 4])
    expect([...(await sum(reshape(input, [1, 2, 2]), { axes: 0 }).data())]).toEqual([1, 2, 3, 4])
    const twice = compile((t: Tensor) => [reshape(t, [4]), reshape(t, [4, 1]), t])
    const results = await twice(input)
    for (const result of results) expect([...(await result.data())]).toEqual([1, 2, 3, 4])
    const chain = compile((t: Tensor) => {
      const product = matmul(t, t)
      return [reshape(product, [4]), reshape(product, [1, 4]), product]
    })
    for (const result of await chain(input)) expect([...(await result.data())]).toEqual([7, 10, 15, 22])
  })

  it('explains a function in words', async () => {
    expect(await explain((t: Tensor) => softmax(t), [x()])).toMatch(
      /program: 1 steps, 1 inputs, 1 outputs[\s\S]*fused \[6, 40\] 2 phases out0 <- in0/,
    )
  })
})
