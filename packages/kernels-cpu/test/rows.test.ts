import type { Backend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openCpu } from '../src/index.js'
import { emptyOperand, expectSame, floatOperand } from './fusedHarness.js'
import { affine, StepBuilder } from './stepBuilder.js'

let backend: Backend

beforeAll(async () => {
  backend = await openCpu({ threads: 0, relaxedSimd: false })
})

afterAll(() => backend.close())

function randomFloats(count: number): Float32Array {
  return Float32Array.from({ length: count }, () => (Math.random() - 0.5) * 8)
}

describe('rows along the inner axis', () => {
  for (const length of [
    1, 2, 3, 4, 5, 7, 15, 16, 17, 31, 33, 64, 100, 1023, 1024, 1025, 1030, 2048, 2500, 5000, 8193, 20000, 20003,
  ]) {
    it(`adds two vectors of ${length}`, async () => {
      const b = new StepBuilder([], length)
      const sum = b.binary('add', b.load(0, 'f32', affine([1])), b.load(1, 'f32', affine([1])))
      b.store(2, 'f32', affine([1]), sum)
      await expectSame(backend, b.step('add'), [
        floatOperand(randomFloats(length)),
        floatOperand(randomFloats(length)),
        emptyOperand('f32', length),
      ])
    })

    it(`sums three rows of ${length} in the fixed order`, async () => {
      const b = new StepBuilder([3], length)
      b.store(1, 'f32', affine([1, 0]), b.reduce('sum', b.load(0, 'f32', affine([length, 1])), 0), 'row')
      await expectSame(backend, b.step('sum'), [floatOperand(randomFloats(3 * length)), emptyOperand('f32', 3)])
    })

    it(`normalises two rows of ${length} by softmax`, async () => {
      const b = new StepBuilder([2], length)
      const x = b.load(0, 'f32', affine([length, 1]))
      const e = b.unary('exp', b.binary('sub', x, b.reduce('max', x, 0)))
      b.store(1, 'f32', affine([length, 1]), b.binary('div', e, b.reduce('sum', e, 1)))
      await expectSame(backend, b.step('softmax'), [
        floatOperand(randomFloats(2 * length)),
        emptyOperand('f32', 2 * length),
      ])
    })
  }
})

describe('limits', () => {
  it.each([1.5, -2, 0, -0, Infinity, -Infinity, NaN])('by %d keep NaN and the signs of zeros', async (limit) => {
    const x = Float32Array.from([NaN, 0, -0, 1.5, -2, 1.25, 7, -9, Infinity, -Infinity, 1e-42])
    const b = new StepBuilder([], x.length)
    const value = b.load(0, 'f32', affine([1]))
    const bound = b.constant('f32', limit)
    b.store(1, 'f32', affine([1]), b.binary('min', value, bound))
    b.store(2, 'f32', affine([1]), b.binary('max', bound, value))
    await expectSame(backend, b.step('limits'), [
      floatOperand(x),
      emptyOperand('f32', x.length),
      emptyOperand('f32', x.length),
    ])
  })
})
