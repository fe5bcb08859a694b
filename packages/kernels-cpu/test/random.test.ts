import type { Backend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openCpu } from '../src/index.js'
import { expectSame } from './fusedHarness.js'
import { Dice, randomCase, type Shape } from './randomStep.js'

let backend: Backend

beforeAll(async () => {
  backend = await openCpu({ threads: 0, relaxedSimd: false })
})

afterAll(() => backend.close())

const SHAPES: readonly Shape[] = [
  { outer: [], inner: 1 },
  { outer: [], inner: 3 },
  { outer: [], inner: 37 },
  { outer: [1], inner: 1 },
  { outer: [5], inner: 1 },
  { outer: [3], inner: 4 },
  { outer: [7], inner: 2 },
  { outer: [2, 3], inner: 9 },
  { outer: [4, 5], inner: 16 },
  { outer: [9, 1, 2], inner: 6 },
  { outer: [33], inner: 17 },
  { outer: [2], inner: 1100 },
  { outer: [64], inner: 3 },
  { outer: [3, 2, 2], inner: 5 },
  { outer: [2, 130], inner: 5 },
  { outer: [], inner: 8203 },
  { outer: [0], inner: 5 },
]

/** How many random steps of each shape are tried; each is compared with the interpreter in every byte. */
const CASES = Number(process.env.TARAZED_RANDOM_STEPS ?? 40)
const FIRST_SEED = Number(process.env.TARAZED_SEED ?? 1)

describe('random fused steps equal the interpreter bit for bit', () => {
  for (const shape of SHAPES) {
    it(`over [${[...shape.outer, shape.inner].join(', ')}]`, async () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + CASES; seed++) {
        const { step, operands, params, types } = randomCase(new Dice(seed * 7919), shape)
        try {
          await expectSame(backend, step, operands, params, types)
        } catch (error) {
          throw new Error(`seed ${seed}: ${(error as Error).message}\n${JSON.stringify(step)}`)
        }
      }
    })
  }
})
