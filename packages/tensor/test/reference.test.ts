import { describe, expect, it } from 'vitest'
import { lowerMath } from '../src/compiler/lowerMath.js'
import { AllocationError, ArgumentError, DisposedError, InternalError } from '../src/errors.js'
import type { DType } from '../src/dtype.js'
import { f32ToF16Bits } from '../src/program/float16.js'
import type { Expr, FusedStep, Program } from '../src/program/ir.js'
import { openReference } from '../src/reference/openReference.js'
import { compare, FLOAT64, MATH_ULP, ulpError } from '../src/testing/tolerances.js'
import {
  access,
  element,
  fused,
  input,
  load,
  output,
  pointwise,
  program,
  row,
  runOnce,
  slot,
  store,
  temp,
} from './referencePrograms.js'

const exact = openReference()
const wide = openReference({ float64: true })

async function apply(op: string, types: readonly DType[], to: DType, ...inputs: number[][]): Promise<number[]> {
  return (await runOnce(exact, pointwise(op, types, to, inputs[0].length), inputs))[0]
}

/** [rows, inner] -> softmax along rows, one step of two phases. */
function softmax(rows: number, inner: number, float64 = false): Program {
  const step = fused({
    outer: [rows],
    inner,
    phases: 2,
    exprs: [
      load(0, 'f32', access([inner, 1])),
      { op: 'reduce', type: 'f32', ...row, kind: 'max', arg: 0, phase: 0 },
      { op: 'sub', type: 'f32', ...element, args: [0, 1] },
      { op: 'exp', type: 'f32', ...element, args: [2] },
      { op: 'reduce', type: 'f32', ...row, kind: 'sum', arg: 3, phase: 1 },
      { op: 'div', type: 'f32', ...element, args: [3, 4] },
    ],
    stores: [store(1, 'f32', access([inner, 1]), 5), store(2, 'f32', access([1, 0]), 4, 'row')],
    operands: [0, 1, 2],
  })
  const slots = [
    slot('f32', rows * inner, input(0), float64),
    slot('f32', rows * inner, output(0), float64),
    slot('f32', rows, output(1), float64),
  ]
  return program(slots, [step])
}

function reduction(
  kind: string,
  dtype: DType,
  type: 'f32' | 'i32' | 'u32' | 'bool',
  to: DType,
  inner: number,
): Program {
  const toType = kind === 'argMax' || kind === 'argMin' ? 'i32' : type
  const exprs = [load(0, dtype, access([1])), { op: 'reduce', type: toType, ...row, kind, arg: 0, phase: 0 } as Expr]
  const step = fused({ inner, phases: 1, exprs, stores: [store(1, to, access([0]), 1, 'row')], operands: [0, 1] })
  return program([slot(dtype, inner, input(0)), slot(to, 1, output(0))], [step])
}

async function reduce(
  kind: string,
  dtype: DType,
  type: 'f32' | 'i32' | 'u32' | 'bool',
  to: DType,
  values: number[],
): Promise<number> {
  return (await runOnce(exact, reduction(kind, dtype, type, to, values.length), [values]))[0][0]
}

describe('openReference: operators', () => {
  it('rounds every f32 operator once, and none when floats are held as float64', async () => {
    const third = Math.fround(1 / 3)
    expect(await apply('mul', ['f32', 'f32'], 'f32', [third], [third])).toEqual([Math.fround(third * third)])
    const made = pointwise('mul', ['f32', 'f32'], 'f32', 1)
    const slots = made.slots.map((entry) => ({ ...entry, bytes: 8 }))
    expect(await runOnce(wide, { ...made, slots }, [[1 / 3], [1 / 3]])).toEqual([[(1 / 3) * (1 / 3)]])
  })

  it('wraps integers, divides by zero to zero, takes shift counts modulo 32', async () => {
    const i32 = (op: string, a: number[], b: number[]) => apply(op, ['i32', 'i32'], 'i32', a, b)
    const u32 = (op: string, a: number[], b: number[]) => apply(op, ['u32', 'u32'], 'u32', a, b)
    expect(await i32('add', [2147483647], [1])).toEqual([-2147483648])
    expect(await i32('mul', [123456789, -3], [987654321, 5])).toEqual([Math.imul(123456789, 987654321), -15])
    expect(await i32('div', [7, -7, 5, -2147483648], [2, 2, 0, -1])).toEqual([3, -3, 0, -2147483648])
    expect(await i32('rem', [7, -7, 5, -2147483648], [4, 4, 0, -1])).toEqual([3, -3, 0, 0])
    expect(await i32('shr', [-8, 1], [33, 0])).toEqual([-4, 1])
    expect(await u32('sub', [0], [1])).toEqual([4294967295])
    expect(await u32('mul', [4294967295], [4294967295])).toEqual([1])
    expect(await u32('div', [4294967295, 3], [2, 0])).toEqual([2147483647, 0])
    expect(await u32('shr', [4294967295], [28])).toEqual([15])
    expect(await u32('shl', [3], [63])).toEqual([2147483648])
    expect(await apply('not', ['u32'], 'u32', [0])).toEqual([4294967295])
  })

  it('lets NaN win min and max, and compares as IEEE does', async () => {
    expect(await apply('max', ['f32', 'f32'], 'f32', [NaN, 1, -0], [1, NaN, 0])).toEqual([NaN, NaN, 0])
    expect(await apply('le', ['f32', 'f32'], 'bool', [NaN, -0, 1], [NaN, 0, 0])).toEqual([0, 1, 0])
    expect(await apply('ne', ['f32', 'f32'], 'bool', [NaN, -0], [NaN, 0])).toEqual([1, 0])
  })

  it('rounds half to even and converts with saturation', async () => {
    expect(await apply('rint', ['f32'], 'f32', [0.5, 1.5, 2.5, -0.5, -2.6, 1e10])).toEqual([0, 2, 2, -0, -3, 1e10])
    expect(await apply('toI32', ['f32'], 'i32', [1.9, -1.9, 1e20, -Infinity, NaN])).toEqual([
      1, -1, 2147483647, -2147483648, 0,
    ])
    expect(await apply('toU32', ['f32'], 'u32', [1.9, -1, 1e20, NaN])).toEqual([1, 0, 4294967295, 0])
    expect(await apply('toU32', ['i32'], 'u32', [-1])).toEqual([4294967295])
    expect(await apply('toF32', ['u32'], 'f32', [4294967295])).toEqual([4294967296])
    expect(await apply('toBool', ['f32'], 'bool', [0, -0, NaN, 1e-45])).toEqual([0, 0, 1, 1])
    expect(await apply('bitsToI32', ['f32'], 'i32', [1, -0])).toEqual([0x3f800000, -2147483648])
    expect(await apply('bitsToF32', ['u32'], 'f32', [0x40490fdb])).toEqual([Math.fround(Math.PI)])
  })

  it('has the special powers of C99', async () => {
    const bases = [1, -1, 0, -8, -8, 2]
    const exponents = [NaN, Infinity, 0, 3, 0.5, -149]
    expect(await apply('pow', ['f32', 'f32'], 'f32', bases, exponents)).toEqual([1, 1, 1, -512, NaN, 2 ** -149])
  })

  it('agrees with the lowered math functions to their bounds', async () => {
    const values = Array.from({ length: 500 }, (_, i) => Math.fround(Math.sin(i) * 20))
    for (const op of ['exp', 'expm1', 'sin', 'cos', 'tanh', 'erf', 'log1p', 'log'] as const) {
      const made = pointwise(op, ['f32'], 'f32', values.length)
      const lowered = { ...made, steps: [lowerMath(made.steps[0] as FusedStep)] }
      const [[want], [got]] = await Promise.all([runOnce(exact, made, [values]), runOnce(exact, lowered, [values])])
      // half a unit for the rounding of the reference itself
      got.forEach((value, i) => expect(ulpError(value, want[i])).toBeLessThanOrEqual(MATH_ULP[op] + 0.5))
    }
  })
})

describe('openReference: fused steps', () => {
  it('runs softmax as one step of two phases', async () => {
    const values = [1, 2, 3, -Infinity, 0, 5]
    const [got, sums] = await runOnce(wide, softmax(2, 3, true), [values])
    const total = 1 + Math.exp(-1) + Math.exp(-2)
    expect(
      compare(
        got,
        [
          Math.exp(-2) / total,
          Math.exp(-1) / total,
          1 / total,
          0,
          Math.exp(-5) / (1 + Math.exp(-5)),
          1 / (1 + Math.exp(-5)),
        ],
        FLOAT64,
      ).message,
    ).toMatch(/^0 of|equal/)
    expect(compare(sums, [total, 1 + Math.exp(-5)], FLOAT64).passed).toBe(true)
  })

  it('folds rows: float sums in float64, integers wrapping, NaN and the lowest index first', async () => {
    const tenth = Math.fround(0.1)
    expect(await reduce('sum', 'f32', 'f32', 'f32', new Array(10000).fill(tenth))).toBe(Math.fround(10000 * tenth))
    expect(await reduce('sum', 'i32', 'i32', 'i32', [2147483647, 1])).toBe(-2147483648)
    expect(await reduce('prod', 'u32', 'u32', 'u32', [65536, 65537])).toBe(65536)
    expect(await reduce('max', 'f32', 'f32', 'f32', [1, NaN, 3])).toBeNaN()
    expect(await reduce('min', 'i32', 'i32', 'i32', [4, -2, 3])).toBe(-2)
    expect(await reduce('argMax', 'f32', 'f32', 'i32', [1, 3, 3])).toBe(1)
    expect(await reduce('argMax', 'f32', 'f32', 'i32', [1, NaN, 3, NaN])).toBe(1)
    expect(await reduce('argMin', 'f32', 'f32', 'i32', [Infinity, Infinity])).toBe(0)
    expect(await reduce('any', 'bool', 'bool', 'bool', [0, 0, 1])).toBe(1)
    expect(await reduce('all', 'bool', 'bool', 'bool', [1, 0, 1])).toBe(0)
  })

  it('gives the value of nothing for empty rows and runs no empty domain', async () => {
    const empty = (kind: string) => runOnce(exact, reduction(kind, 'f32', 'f32', 'f32', 0), [[]])
    expect(await empty('sum')).toEqual([[0]])
    expect(await empty('prod')).toEqual([[1]])
    expect(await runOnce(exact, softmax(0, 3), [[]])).toEqual([[], []])
  })

  it('reads 0 where a guard fails, and does not touch memory there', async () => {
    const exprs: Expr[] = [
      { op: 'index', type: 'i32', ...element, axis: 0 },
      { op: 'const', type: 'i32', ...row, value: 2 },
      { op: 'lt', type: 'bool', ...element, args: [0, 1] },
      load(0, 'f32', access([1]), { guard: 2 }),
    ]
    const step = fused({ inner: 4, exprs, stores: [store(1, 'f32', access([1]), 3)], operands: [0, 1] })
    const made = program([slot('f32', 2, input(0)), slot('f32', 4, output(0))], [step])
    expect(await runOnce(exact, made, [[5, 6]])).toEqual([[5, 6, 0, 0]])
  })

  it('gathers by data, takes params, and stores narrow dtypes', async () => {
    const exprs: Expr[] = [
      load(1, 'i32', access([1])),
      load(0, 'f32', access([0], 0, [{ expr: 0, stride: 2 }])),
      { op: 'param', type: 'f32', ...row, param: 0 },
      { op: 'mul', type: 'f32', ...element, args: [1, 2] },
      { op: 'round', type: 'f32', ...element, to: 'f16', args: [3] },
      { op: 'round', type: 'i32', ...element, to: 'i8', args: [0] },
    ]
    const stores = [store(2, 'f16', access([1]), 4), store(3, 'i8', access([1]), 5)]
    const step = fused({ inner: 2, exprs, stores, operands: [0, 1, 2, 3], params: [1] })
    const slots = [
      slot('f32', 6, input(0)),
      slot('i32', 2, input(1)),
      slot('f16', 2, output(0)),
      slot('i8', 2, output(1)),
    ]
    const made = program(slots, [step], ['i32', 'f32'])
    const got = await runOnce(
      exact,
      made,
      [
        [1, 0, 1 / 3, 0, 3, 0],
        [2, 1],
      ],
      [7, 10],
    )
    expect(got).toEqual([
      [f32ToF16Bits(30), f32ToF16Bits(Math.fround(1 / 3) * 10)],
      [2, 1],
    ])
  })
})

describe('openReference: what it refuses', () => {
  const gather = (operandElements: number): Program => {
    const exprs = [load(1, 'i32', access([1])), load(0, 'f32', access([0], 0, [{ expr: 0, stride: 1 }]))]
    const step = fused({ inner: 1, exprs, stores: [store(2, 'f32', access([1]), 1)], operands: [0, 1, 2] })
    return program(
      [slot('f32', operandElements, input(0)), slot('i32', 1, input(1)), slot('f32', 1, output(0))],
      [step],
    )
  }

  it('an index out of the slot', async () => {
    await expect(runOnce(exact, gather(3), [[1, 2, 3], [3]])).rejects.toThrow(/reads element 3 of input 0, which has 3/)
    await expect(runOnce(exact, gather(3), [[1, 2, 3], [-1]])).rejects.toThrow(InternalError)
    expect(await runOnce(exact, gather(3), [[1, 2, 3], [2]])).toEqual([[3]])
  })

  it('a temp element that no step has written', async () => {
    const half = fused({
      inner: 2,
      exprs: [load(0, 'f32', access([1]))],
      stores: [store(1, 'f32', access([1]), 0)],
      operands: [0, 2],
    })
    const all = fused({
      inner: 4,
      exprs: [load(0, 'f32', access([1]))],
      stores: [store(1, 'f32', access([1]), 0)],
      operands: [2, 1],
    })
    const slots = [slot('f32', 4, input(0)), slot('f32', 4, output(0)), slot('f32', 4, temp(0))]
    const made = program(slots, [half, all])
    await expect(runOnce(exact, made, [[1, 2, 3, 4]])).rejects.toThrow(
      /element 2 of temp slot 2, which was never written/,
    )
    // what an earlier run left in the scratch counts as unwritten too
    await runOnce(exact, program(slots, [{ ...half, inner: 4 }, all]), [[1, 2, 3, 4]])
    await expect(runOnce(exact, made, [[1, 2, 3, 4]])).rejects.toThrow(/never written/)
  })

  it('an output with elements that no step wrote, even in a buffer that held some', async () => {
    const made = softmax(2, 3)
    const lazy = program(made.slots, [{ ...(made.steps[0] as FusedStep), outer: [1] }])
    await expect(runOnce(exact, lazy, [[1, 2, 3, 4, 5, 6]])).rejects.toThrow(
      /element 3 of output 0, which was never written/,
    )
  })

  it('a value that was not rounded to the dtype of its slot', async () => {
    const step = fused({
      inner: 1,
      exprs: [load(0, 'f32', access([1]))],
      stores: [store(1, 'f16', access([1]), 0)],
      operands: [0, 1],
    })
    const made = program([slot('f32', 1, input(0)), slot('f16', 1, output(0))], [step])
    expect(await runOnce(exact, made, [[0.5]])).toEqual([[f32ToF16Bits(0.5)]])
    await expect(runOnce(exact, made, [[0.1]])).rejects.toThrow(/output 0 cannot hold 0.1/)
  })

  it('an element of an input that the output in its buffer has overwritten', async () => {
    // x[i] doubled at gathered places, in place: sound as long as no place comes twice
    const exprs: Expr[] = [
      load(1, 'i32', access([1])),
      load(0, 'f32', access([0], 0, [{ expr: 0, stride: 1 }])),
      { op: 'add', type: 'f32', ...element, args: [1, 1] },
    ]
    const stores = [store(2, 'f32', access([0], 0, [{ expr: 0, stride: 1 }]), 2)]
    const step = fused({ inner: 2, exprs, stores, operands: [0, 1, 2] })
    const slots = [slot('f32', 3, input(0)), slot('i32', 2, input(1)), slot('f32', 3, output(0, 0))]
    const made = program(slots, [step])
    expect(
      await runOnce(exact, made, [
        [1, 2, 3],
        [2, 0],
      ]),
    ).toEqual([[2, 2, 6]])
    await expect(
      runOnce(exact, made, [
        [1, 2, 3],
        [2, 2],
      ]),
    ).rejects.toThrow(/element 2 of input 0, which another slot has overwritten/)
  })

  it('programs that do not pass the validator', async () => {
    await expect(exact.load({ ...softmax(2, 3), inputCount: 0 })).rejects.toThrow(InternalError)
  })

  it('wrong bindings', async () => {
    const made = pointwise('neg', ['f32'], 'f32', 1)
    const executable = await exact.load(made)
    const buffer = exact.allocate(4)
    await expect(exact.run(executable, { inputs: [buffer], outputs: [buffer], params: [] })).rejects.toThrow(
      /no alias of it/,
    )
    await expect(exact.run(executable, { inputs: [buffer], outputs: [], params: [] })).rejects.toThrow(/0 outputs/)
    await expect(exact.read(buffer)).rejects.toThrow(/byte 0, which was never written/)
    await expect(exact.write(buffer, new Uint8Array(5))).rejects.toThrow(/bytes 0 … 5 of a buffer of 4/)
    exact.free(buffer)
    expect(() => exact.free(buffer)).toThrow(/was freed/)
  })
})

describe('openReference: memory', () => {
  it('throws AllocationError at its limit and changes nothing then', async () => {
    const small = openReference({ memoryLimitBytes: 100 })
    const first = small.allocate(60)
    expect(() => small.allocate(41)).toThrow(AllocationError)
    expect(small.counters).toMatchObject({ liveBytes: 60, peakBytes: 60, buffersAllocated: 1 })
    small.free(first)
    expect(small.allocate(100).bytes).toBe(100)
    const slots = [slot('f32', 4, input(0)), slot('f32', 4, output(0)), slot('f32', 4, temp(0))]
    const copy = (from: number, to: number): FusedStep =>
      fused({
        inner: 4,
        exprs: [load(0, 'f32', access([1]))],
        stores: [store(1, 'f32', access([1]), 0)],
        operands: [from, to],
      })
    await expect(small.load(program(slots, [copy(0, 2), copy(2, 1)]))).rejects.toThrow(AllocationError)
    expect(() => openReference({ memoryLimitBytes: 0 })).toThrow(ArgumentError)
  })

  it('updates a donated input in place', async () => {
    const step = fused({
      inner: 3,
      exprs: [load(0, 'f32', access([1])), { op: 'mul', type: 'f32', ...element, args: [0, 0] }],
      stores: [store(1, 'f32', access([1]), 1)],
      operands: [0, 1],
    })
    const made = program([slot('f32', 3, input(0)), slot('f32', 3, output(0, 0))], [step])
    expect(await runOnce(exact, made, [[1, 2, 3]])).toEqual([[1, 4, 9]])
    const executable = await exact.load(made)
    const buffer = exact.allocate(12)
    await exact.write(buffer, new Uint8Array(Float32Array.of(2, 3, 4).buffer))
    for (let k = 0; k < 2; k++) await exact.run(executable, { inputs: [buffer], outputs: [buffer], params: [] })
    expect([...new Float32Array((await exact.read(buffer)).buffer)]).toEqual([16, 81, 256])
    const other = exact.allocate(12)
    await expect(exact.run(executable, { inputs: [buffer], outputs: [other], params: [] })).rejects.toThrow(
      /must be bound to the buffer of input 0/,
    )
  })

  it('counts what it does, profiles steps, and is dead after close', async () => {
    const backend = openReference()
    await runOnce(backend, softmax(2, 3), [[1, 2, 3, 4, 5, 6]])
    expect(backend.counters).toMatchObject({ programsLoaded: 1, programsRun: 1, stepsRun: 1, liveBytes: 0 })
    const executable = await backend.load(pointwise('neg', ['f32'], 'f32', 1))
    const buffers = [backend.allocate(4), backend.allocate(4)]
    await backend.write(buffers[0], new Uint8Array(4))
    const steps = await backend.profile?.(executable, { inputs: [buffers[0]], outputs: [buffers[1]], params: [] })
    expect(steps).toMatchObject([{ label: 'test' }])
    await backend.close()
    expect(backend.closed).toBe(true)
    expect(() => backend.allocate(1)).toThrow(DisposedError)
    await expect(backend.read(buffers[0])).rejects.toThrow(DisposedError)
  })
})
