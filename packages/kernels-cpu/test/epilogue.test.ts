/** Epilogues of products: run tile by tile, they give the bits that a step of their own gives. */
import {
  add,
  compile,
  conv2d,
  evaluate,
  gelu,
  matmul,
  mul,
  random,
  reshape,
  setDefaultBackend,
  sigmoid,
  transpose,
  type Program,
  type Tensor,
} from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCpu, type CpuBackend } from '../src/index.js'
import { tileRows } from '../src/emit/tileRows.js'
import { routinePlanners } from '../src/routines/index.js'

const backends: CpuBackend[] = []

beforeAll(async () => {
  backends.push(await openCpu({ threads: 1 }), await openCpu({ threads: 2 }))
})

afterAll(async () => {
  for (const backend of backends) await backend.close()
})

type Epilogue = (product: Tensor, ...others: Tensor[]) => Tensor | Tensor[]

interface Case {
  readonly name: string
  readonly a: readonly number[]
  readonly b: readonly number[]
  readonly others?: readonly (readonly number[])[]
  readonly after: Epilogue
}

const bias: Epilogue = (product, b) => gelu(add(product, b))
const heads: Epilogue = (product) => {
  const [M, N] = product.shape
  return mul(transpose(reshape(product, [M / 4, 4, N / 16, 16]), [0, 2, 1, 3]), 2)
}
const turned: Epilogue = (product, x) => add(transpose(product), x)
const several: Epilogue = (product, x) => [product, mul(product, x), sigmoid(product)]

const CASES: readonly Case[] = [
  { name: 'rows that do not fill the last tile', a: [301, 40], b: [40, 136], others: [[136]], after: bias },
  { name: 'columns in several tiles', a: [70, 33], b: [33, 1024], others: [[1024]], after: bias },
  { name: 'columns that no tile divides', a: [70, 33], b: [33, 1009], others: [[1009]], after: bias },
  { name: 'few columns', a: [300, 64], b: [64, 10], others: [[10]], after: bias },
  { name: 'sides exchanged', a: [64, 40], b: [40, 1024], others: [[64, 1]], after: bias },
  { name: 'sides exchanged, odd', a: [67, 40], b: [40, 1023], others: [[67, 1]], after: bias },
  { name: 'many rows, few columns', a: [2048, 24], b: [24, 16], others: [[2048, 16]], after: several },
  { name: 'one row', a: [1, 70], b: [70, 600], others: [[600]], after: bias },
  { name: 'one column', a: [600, 70], b: [70, 1], others: [[600, 1]], after: bias },
  { name: 'matrices in a batch', a: [3, 50, 20], b: [3, 20, 264], others: [[50, 264]], after: several },
  { name: 'one right matrix for a batch', a: [3, 50, 20], b: [20, 264], others: [[3, 1, 264]], after: bias },
  { name: 'several stores', a: [130, 300], b: [300, 520], others: [[130, 520]], after: several },
  { name: 'heads side by side', a: [128, 30], b: [30, 192], after: heads },
  { name: 'a transposed result', a: [130, 30], b: [30, 192], others: [[192, 130]], after: turned },
]

const inputOf = (shape: readonly number[], seed: number): Tensor => random.normal(random.key(seed), shape)

async function bitsOf(tensors: Tensor | readonly Tensor[]): Promise<string[]> {
  const list = Array.isArray(tensors) ? (tensors as readonly Tensor[]) : [tensors as Tensor]
  return Promise.all(list.map(async (t) => Buffer.from(await t.bytes()).toString('base64')))
}

const routineOf = (program: Program) => {
  const step = program.steps.find((candidate) => candidate.kind === 'routine')
  if (step?.kind !== 'routine') throw new Error('no routine in the program')
  return step
}

describe('an epilogue', () => {
  it.each(CASES)('gives the bits of separate steps: $name', async ({ a, b, others = [], after }) => {
    const seen: string[][] = []
    for (const backend of backends) {
      setDefaultBackend(backend)
      const inputs = [a, b, ...others].map((shape, k) => inputOf(shape, k))
      const [left, right, ...rest] = inputs
      await evaluate(inputs)
      const product = matmul(left, right)
      await evaluate(product)
      seen.push(await bitsOf(after(product, ...rest)))
      const fused = compile((x: Tensor, y: Tensor, ...more: Tensor[]) => after(matmul(x, y), ...more))
      const program = await fused.program(left, right, ...rest)
      expect(routineOf(program).epilogue).toBeDefined()
      seen.push(await bitsOf(await fused(left, right, ...rest)))
    }
    for (const bits of seen) expect(bits).toEqual(seen[0])
  })

  it('follows a convolution, tile by tile or after it', async () => {
    const seen: string[][] = []
    for (const backend of backends) {
      setDefaultBackend(backend)
      for (const size of [1, 3]) {
        const [x, w] = [inputOf([2, 5, 16, 16], 1), inputOf([24, 5, size, size], 2)]
        const product = conv2d(x, w)
        await evaluate(x, w, product)
        const separate = await bitsOf(gelu(product))
        const fused = compile((image: Tensor, weight: Tensor) => gelu(conv2d(image, weight)))
        expect(routineOf(await fused.program(x, w)).epilogue).toBeDefined()
        expect(await bitsOf(await fused(x, w))).toEqual(separate)
        seen.push(separate)
      }
    }
    expect(seen.slice(2)).toEqual(seen.slice(0, 2))
  })

  it('is cut into the tiles of its product, unless they are uneven or it turns the result', async () => {
    setDefaultBackend(backends[0])
    const cut: Record<string, boolean> = {}
    for (const { name, a, b, others = [], after } of CASES) {
      const inputs = [a, b, ...others].map((shape, k) => inputOf(shape, k))
      const fused = compile((x: Tensor, y: Tensor, ...more: Tensor[]) => after(matmul(x, y), ...more))
      const step = routineOf(await fused.program(inputs[0], inputs[1], ...inputs.slice(2)))
      const { tiles } = routinePlanners.matmul(step)
      cut[name] = Boolean(tiles && step.epilogue && tileRows(step.epilogue, step.results[0].slot, tiles))
    }
    const apart = Object.keys(cut).filter((name) => !cut[name])
    expect(apart).toEqual([
      'columns that no tile divides',
      'sides exchanged, odd',
      'one row',
      'one column',
      'a transposed result',
    ])
  })
})
