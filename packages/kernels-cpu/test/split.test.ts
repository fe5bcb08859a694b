import type { Backend, ReduceKind } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openCpu } from '../src/index.js'
import { emptyOperand, expectSame, floatOperand } from './fusedHarness.js'
import { affine, StepBuilder } from './stepBuilder.js'

const engines: Backend[] = []

beforeAll(async () => {
  for (const threads of [0, 2]) engines.push(await openCpu({ threads, relaxedSimd: false }))
})

afterAll(() => Promise.all(engines.map((engine) => engine.close())))

function randomFloats(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, k) => (k % 977 === 0 ? -0 : (Math.random() - 0.5) * 8))
}

describe('very long rows', () => {
  for (const length of [65536, 70001, 131072 + 1024]) {
    for (const kind of ['sum', 'max', 'min', 'argMax', 'argMin'] as ReduceKind[]) {
      it(`of ${length} elements are reduced by ${kind} in the fixed order, on one thread and on two`, async () => {
        const b = new StepBuilder([2], length)
        const value = b.reduce(kind, b.load(0, 'f32', affine([length, 1])), 0)
        const dtype = kind.startsWith('arg') ? 'i32' : 'f32'
        b.store(1, dtype, affine([1, 0]), value, 'row')
        const x = floatOperand(randomFloats(2 * length))
        for (const engine of engines) await expectSame(engine, b.step(kind), [x, emptyOperand(dtype, 2)])
      })
    }

    it(`of ${length} elements are normalised in place, and their old mean is read before the new one is stored`, async () => {
      const b = new StepBuilder([3], length)
      const x = b.load(0, 'f32', affine([length, 1]))
      const old = b.load(1, 'f32', affine([1, 0]))
      const scale = b.constant('f32', 1 / length)
      const mean = b.binary('mul', b.reduce('sum', x, 0), scale)
      const apart = b.binary('sub', x, mean)
      const variance = b.binary('mul', b.reduce('sum', b.binary('mul', apart, apart), 1), scale)
      b.store(0, 'f32', affine([length, 1]), b.binary('add', b.binary('div', apart, b.unary('sqrt', variance)), old))
      b.store(1, 'f32', affine([1, 0]), b.binary('add', old, mean), 'row')
      const operands = [floatOperand(randomFloats(3 * length)), floatOperand([1, 2, 3])]
      for (const engine of engines) await expectSame(engine, b.step('normalise'), operands)
    })
  }
})
