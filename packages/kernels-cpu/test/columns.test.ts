import type { Backend, ReduceKind } from '@tarazed/tensor'
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

/** Columns of a row-major matrix [rows, columns] are the rows of these steps. */
describe('rows whose neighbours lie side by side', () => {
  for (const [rows, columns] of [
    [2, 4],
    [3, 5],
    [15, 4],
    [16, 9],
    [17, 64],
    [40, 67],
    [1024, 6],
    [1030, 13],
    [2050, 5],
    [5, 300],
    [3, 1000],
  ] as const) {
    for (const kind of ['sum', 'prod', 'max', 'min', 'argMax', 'argMin'] as ReduceKind[]) {
      it(`take the ${kind} over axis 0 of [${rows}, ${columns}] in the fixed order`, async () => {
        const b = new StepBuilder([columns], rows)
        const value = b.reduce(kind, b.load(0, 'f32', affine([1, columns])), 0)
        b.store(1, kind.startsWith('arg') ? 'i32' : 'f32', affine([1, 0]), value, 'row')
        await expectSame(backend, b.step(kind), [
          floatOperand(randomFloats(rows * columns)),
          emptyOperand(kind.startsWith('arg') ? 'i32' : 'f32', columns),
        ])
      })
    }

    it(`are normalised over axis 0 of [2, ${rows}, ${columns}] with a scale for each row and each column`, async () => {
      const b = new StepBuilder([2, columns], rows)
      const x = b.load(0, 'f32', affine([rows * columns, 1, columns]))
      const e = b.unary('exp', b.binary('sub', x, b.reduce('max', x, 0)))
      const scaled = b.binary('mul', b.load(2, 'f32', affine([0, 0, 1])), b.load(3, 'f32', affine([0, 1, 0])))
      const total = b.reduce('sum', e, 1)
      b.store(1, 'f32', affine([rows * columns, 1, columns]), b.binary('mul', b.binary('div', e, total), scaled))
      b.store(4, 'f32', affine([columns, 1, 0]), total, 'row')
      const count = 2 * rows * columns
      await expectSame(backend, b.step('softmax'), [
        floatOperand(randomFloats(count)),
        emptyOperand('f32', count),
        floatOperand(randomFloats(rows)),
        floatOperand(randomFloats(columns)),
        emptyOperand('f32', 2 * columns),
      ])
    })
  }
})
