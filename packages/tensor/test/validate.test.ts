import { describe, expect, it } from 'vitest'
import { InternalError } from '../src/errors.js'
import type { Expr, FusedStep, LoopStep, Program, RoutineStep, Slot } from '../src/program/ir.js'
import { validateProgram } from '../src/program/validate.js'
import {
  access,
  denseView,
  element,
  fused,
  input,
  load,
  output,
  program,
  row,
  slot,
  store,
  temp,
} from './referencePrograms.js'

/** [2, 3] softmax without the division: exp(x - max of the row) into output 0, the row maxima into output 1. */
const STEP = fused({
  outer: [2],
  inner: 3,
  phases: 1,
  exprs: [
    load(0, 'f32', access([3, 1])),
    { op: 'reduce', type: 'f32', ...row, kind: 'max', arg: 0, phase: 0 },
    { op: 'sub', type: 'f32', ...element, args: [0, 1] },
    { op: 'exp', type: 'f32', ...element, args: [2] },
  ],
  stores: [store(1, 'f32', access([3, 1]), 3), store(2, 'f32', access([1, 0]), 1, 'row')],
  operands: [0, 1, 2],
})
const SLOTS = [slot('f32', 6, input(0)), slot('f32', 6, output(0)), slot('f32', 2, output(1))]
const VALID = program(SLOTS, [STEP])

function withStep(changes: Partial<FusedStep>): Program {
  return program(SLOTS, [{ ...STEP, ...changes }])
}

function withExpr(at: number, changes: Record<string, unknown>): Program {
  return withStep({ exprs: STEP.exprs.map((expr, k) => (k === at ? ({ ...expr, ...changes } as Expr) : expr)) })
}

function withSlot(at: number, changes: Partial<Slot>): Program {
  return { ...VALID, slots: SLOTS.map((entry, k) => (k === at ? { ...entry, ...changes } : entry)) }
}

/** out[i] = in[i] over `count` elements, from one slot to another. */
function copyStep(from: number, to: number, count = 4, fromOffset = 0): FusedStep {
  const exprs = [load(0, 'f32', access([1], fromOffset))]
  return fused({
    label: `copy ${from} to ${to}`,
    inner: count,
    exprs,
    stores: [store(1, 'f32', access([1]), 0)],
    operands: [from, to],
  })
}

const ends = [slot('f32', 4, input(0)), slot('f32', 4, output(0))]

describe('validateProgram', () => {
  it('accepts a sound program', () => {
    expect(() => validateProgram(VALID)).not.toThrow()
    const wide = SLOTS.map((entry) => ({ ...entry, bytes: entry.elements * 8 }))
    expect(() => validateProgram({ ...VALID, slots: wide }, { float64: true })).not.toThrow()
    expect(() => validateProgram(VALID, { float64: true })).toThrow(/are not 24 bytes/)
  })

  const broken: readonly [string, Program, RegExp][] = [
    [
      'an argument after its use',
      withExpr(2, { args: [0, 3] }),
      /expression 2 \(sub\) reads expression 3, which must come before/,
    ],
    [
      'a row value that depends on the inner axis',
      withExpr(3, { level: 'row' }),
      /of level row but depends on the inner axis/,
    ],
    ['a row load that moves along the row', withExpr(0, { level: 'row' }), /of level row but depends/],
    [
      'mixed types',
      withExpr(2, { op: 'and' }),
      /expression 2 \(and\): every argument must be i32 or u32 or bool, got f32/,
    ],
    ['a comparison that gives a number', withExpr(2, { op: 'lt' }), /its type must be bool, got f32/],
    ['a reduction in no phase', withStep({ phases: 0 }), /ends in phase 0 of 0/],
    ['more than four phases', withStep({ phases: 5 }), /phases must be 0 … 4/],
    [
      'a load that leaves its slot',
      withExpr(0, { access: access([3, 1], 1) }),
      /touches elements 1 … 6 of a slot of 6/,
    ],
    ['a load of another dtype', withExpr(0, { dtype: 'i32', type: 'i32' }), /takes i32 from a slot of f32/],
    ['too few strides', withExpr(0, { access: access([1]) }), /1 strides for 2 axes/],
    ['a store to an input', withStep({ operands: [0, 0, 2] }), /store 0 writes to an input/],
    [
      'a row store of an element value',
      withStep({ stores: [STEP.stores[0], store(2, 'f32', access([1, 0]), 3, 'row')] }),
      /its value is of level element/,
    ],
    ['an operand that is no slot', withStep({ operands: [0, 1, 9] }), /names slot 9 of 3/],
    ['bytes that do not fit the elements', withSlot(0, { bytes: 20 }), /6 elements of f32 are not 20 bytes/],
    ['two slots for one output', withSlot(2, { place: output(0) }), /output 0 has two slots/],
    ['an input index out of range', withSlot(0, { place: input(3) }), /input 3 of 1/],
    ['a temp outside of the arena', { ...withSlot(1, { place: temp(0) }), outputCount: 2 }, /leave the arena of 0/],
    ['a param that does not exist', withStep({ params: [0] }), /names param 0 of 0/],
  ]
  for (const [what, made, rule] of broken)
    it(`refuses ${what}`, () => {
      expect(() => validateProgram(made)).toThrow(InternalError)
      expect(() => validateProgram(made)).toThrow(rule)
    })

  it('refuses a reduction that needs the result of its own or a later phase', () => {
    const exprs: Expr[] = [...STEP.exprs, { op: 'reduce', type: 'f32', ...row, kind: 'sum', arg: 3, phase: 0 }]
    expect(() => validateProgram(withStep({ exprs }))).toThrow(/of phase 0 needs a result of phase 0/)
  })

  it('refuses temps that share bytes while both are alive, and allows it afterwards', () => {
    const slots = [...ends, slot('f32', 4, temp(0)), slot('f32', 4, temp(8)), slot('f32', 4, temp(0))]
    const overlapping = program(slots, [copyStep(0, 2), copyStep(2, 3), copyStep(3, 1)])
    expect(() => validateProgram(overlapping)).toThrow(/temps 2 and 3 share bytes 8 … 15/)
    const apart = slots.map((entry, k) => (k === 3 ? { ...entry, place: temp(16) } : entry))
    expect(() =>
      validateProgram(program(apart, [copyStep(0, 2), copyStep(2, 3), copyStep(3, 4), copyStep(4, 1)])),
    ).not.toThrow()
  })

  it('lets a step write over a temp that dies in it only element by element', () => {
    const slots = [...ends, slot('f32', 4, temp(0)), slot('f32', 4, temp(0))]
    const inPlace = (step: FusedStep): Program => program(slots, [copyStep(0, 2), step, copyStep(3, 1)])
    expect(() => validateProgram(inPlace(copyStep(2, 3)))).not.toThrow()
    const flipped = { ...copyStep(2, 3), exprs: [load(0, 'f32', access([-1], 3))] }
    expect(() => validateProgram(inPlace(flipped))).toThrow(/share bytes/)
  })

  it('refuses to read a temp or an output before a step has written it', () => {
    const slots = [...ends, slot('f32', 4, temp(0))]
    expect(() => validateProgram(program(slots, [copyStep(2, 1), copyStep(0, 2)]))).toThrow(
      /step 0 reads slot 2 \(temp\) before/,
    )
    expect(() => validateProgram(program(ends, [copyStep(1, 1)]))).toThrow(/step 0 reads slot 1 \(output\) before/)
  })

  it('refuses to read an input after the output in its buffer was written', () => {
    const slots = [slot('f32', 4, input(0)), slot('f32', 4, output(0, 0)), slot('f32', 4, output(1))]
    expect(() => validateProgram(program(slots, [copyStep(0, 2), copyStep(0, 1)]))).not.toThrow()
    expect(() => validateProgram(program(slots, [copyStep(0, 1), copyStep(0, 2)]))).toThrow(/step 1 reads input slot 0/)
    const flip = { ...copyStep(0, 1), exprs: [load(0, 'f32', access([-1], 3))] }
    expect(() => validateProgram(program(slots, [copyStep(0, 2), flip]))).toThrow(/step 1 reads input slot 0/)
    const other = [slot('f32', 4, input(0)), slot('f32', 2, output(0, 0)), slot('f32', 4, output(1))]
    expect(() => validateProgram(program(other, [copyStep(0, 2)]))).toThrow(/in the buffer of input 0/)
  })

  it('refuses a step that reads other elements of a slot than it writes', () => {
    const slots = [...ends, slot('f32', 5, temp(0))]
    const fill = copyStep(0, 2)
    expect(() => validateProgram(program(slots, [fill, copyStep(2, 2), copyStep(2, 1)]))).not.toThrow()
    expect(() => validateProgram(program(slots, [fill, copyStep(2, 2, 4, 1), copyStep(2, 1)]))).toThrow(
      /reads other elements of it/,
    )
  })

  const MATMUL: RoutineStep = {
    kind: 'routine',
    name: 'matmul',
    attrs: {},
    operands: [denseView(0, 'f32', [2, 3]), denseView(1, 'f32', [3, 4])],
    results: [denseView(2, 'f32', [2, 4])],
  }
  const MATMUL_SLOTS = [slot('f32', 6, input(0)), slot('f32', 12, input(1)), slot('f32', 8, output(0))]

  it('checks operands, views and shapes of routines', () => {
    const check = (changes: Partial<RoutineStep>) => () =>
      validateProgram(program(MATMUL_SLOTS, [{ ...MATMUL, ...changes }]))
    expect(check({})).not.toThrow()
    expect(check({ operands: [MATMUL.operands[0]] })).toThrow(/takes 2 … 2 operands, got 1/)
    expect(check({ operands: [MATMUL.operands[0], denseView(1, 'f32', [4, 3])] })).toThrow(/shapes do not fit/)
    expect(check({ operands: [MATMUL.operands[0], { ...MATMUL.operands[1], offset: 1 }] })).toThrow(
      /operand 1 touches elements 1 … 12/,
    )
    expect(check({ results: [{ ...MATMUL.results[0], strides: [1, 2] }] })).toThrow(/result 0 is not dense/)
    expect(check({ results: [denseView(0, 'f32', [2, 3])] })).toThrow(/writes to an input/)
  })

  const BODY = program(
    [slot('f32', 2, input(0)), slot('f32', 2, input(1)), slot('f32', 2, output(0))],
    [
      fused({
        inner: 2,
        exprs: [
          load(0, 'f32', access([1])),
          load(1, 'f32', access([1])),
          { op: 'add', type: 'f32', ...element, args: [0, 1] },
        ],
        stores: [store(2, 'f32', access([1]), 2)],
        operands: [0, 1, 2],
      }),
    ],
  )
  const LOOP: LoopStep = {
    kind: 'loop',
    trips: 3,
    reverse: false,
    body: BODY,
    arenaOffset: 0,
    inputs: [
      { kind: 'carry', carry: 0 },
      { kind: 'slice', slot: 1, elements: 2 },
    ],
    outputs: [{ kind: 'carry', carry: 0 }],
    carries: [{ init: 0, final: 2, buffers: [3, 4] }],
  }
  const LOOP_SLOTS = [
    slot('f32', 2, input(0)),
    slot('f32', 6, input(1)),
    slot('f32', 2, output(0)),
    slot('f32', 2, temp(0)),
    slot('f32', 2, temp(8)),
  ]

  it('checks loops, their carries and their bodies', () => {
    const check = (changes: Partial<LoopStep>) => () => validateProgram(program(LOOP_SLOTS, [{ ...LOOP, ...changes }]))
    expect(check({})).not.toThrow()
    expect(check({ trips: 4 })).toThrow(/4 slices of 2 in 6 elements/)
    expect(check({ inputs: [LOOP.inputs[0]] })).toThrow(/1 inputs for 2 of the body/)
    expect(check({ carries: [{ ...LOOP.carries[0], buffers: [3, 3] }] })).toThrow(/one buffer for even and odd trips/)
    expect(check({ carries: [{ ...LOOP.carries[0], final: 1 }] })).toThrow(/differ in dtype or size/)
    expect(check({ outputs: [{ kind: 'slice', slot: 1, elements: 2 }] })).toThrow(/writes to an input/)
    const aliased = {
      ...BODY,
      slots: BODY.slots.map((entry, k) => (k === 2 ? { ...entry, place: output(0, 0) } : entry)),
    }
    expect(check({ body: aliased })).toThrow(/lies in the buffer of an input/)
    const wrongBody = { ...BODY, slots: BODY.slots.map((entry, k) => (k === 0 ? slot('f32', 1, input(0)) : entry)) }
    expect(check({ body: wrongBody })).toThrow(/input 0 has 1 elements in the body and 2 outside/)
    const needsScratch = { ...BODY, arenaBytes: 8 }
    expect(check({ body: needsScratch })).toThrow(/arena shares bytes with temp 3/)
    expect(check({ body: needsScratch, arenaOffset: 16 })).toThrow(/leaves the arena of 16 bytes/)
  })
})
