import type { Backend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openCpu } from '../src/index.js'
import { emptyOperand, expectSame, floatOperand, intOperand } from './fusedHarness.js'
import { affine, StepBuilder } from './stepBuilder.js'

let backend: Backend

beforeAll(async () => {
  backend = await openCpu({ threads: 0, relaxedSimd: false })
})

afterAll(() => backend.close())

function randomFloats(count: number): Float32Array {
  return Float32Array.from({ length: count }, () => (Math.random() - 0.5) * 8)
}

describe('operands that are contiguous along different axes', () => {
  for (const [rows, columns] of [
    [8, 8],
    [9, 11],
    [64, 64],
    [65, 67],
    [130, 12],
    [11, 200],
  ] as const) {
    it(`are combined over [${rows}, ${columns}] with row, column and index terms`, async () => {
      const b = new StepBuilder([rows], columns)
      const straight = b.load(0, 'f32', affine([columns, 1]))
      const crossing = b.load(1, 'f32', affine([1, rows]))
      const perRow = b.load(2, 'f32', affine([1, 0]))
      const perColumn = b.load(3, 'f32', affine([0, 1]))
      const index = b.unary('toF32', b.binary('add', b.index(0), b.index(1)), 'f32')
      const sum = b.binary('add', b.binary('mul', straight, crossing), b.binary('mul', perRow, perColumn))
      b.store(4, 'f32', affine([columns, 1]), b.binary('add', sum, index))
      await expectSame(backend, b.step('cross'), [
        floatOperand(randomFloats(rows * columns)),
        floatOperand(randomFloats(rows * columns)),
        floatOperand(randomFloats(rows)),
        floatOperand(randomFloats(columns)),
        emptyOperand('f32', rows * columns),
      ])
    })

    it(`are transposed batch by batch over [3, ${rows}, ${columns}], with a guard beside them`, async () => {
      const b = new StepBuilder([3, rows], columns)
      const size = rows * columns
      const crossing = b.load(0, 'i32', affine([size, 1, rows]))
      const above = b.binary('lt', b.constant('i32', 0), b.index(2))
      const shifted = b.load(0, 'i32', affine([size, 1, rows], -rows), above)
      b.store(1, 'i32', affine([size, columns, 1]), b.binary('sub', crossing, shifted))
      const values = Int32Array.from({ length: 3 * size }, (_, k) => k * 2654435761)
      await expectSame(backend, b.step('cross'), [intOperand(values), emptyOperand('i32', 3 * size)])
    })
  }
})
