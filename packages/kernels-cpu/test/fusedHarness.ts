/** Runs one fused step on an engine and in the interpreter, with poison around every operand, and compares all bytes. */
import { dtypeBytes, type Backend, type DType, type FusedStep, type Program, type ScalarType } from '@tarazed/tensor'
import { expect } from 'vitest'
import { interpretFused } from './interpret.js'

/** Contents of one operand; every operand is an input that may also be stored to. */
export interface Operand {
  readonly dtype: DType
  readonly bytes: Uint8Array
}

const POISON = 0xa5
const MARGIN = 256

export function floatOperand(values: ArrayLike<number>): Operand {
  return { dtype: 'f32', bytes: new Uint8Array(Float32Array.from(values).buffer) }
}

export function intOperand(values: ArrayLike<number>): Operand {
  return { dtype: 'i32', bytes: new Uint8Array(Int32Array.from(values).buffer) }
}

export function emptyOperand(dtype: DType, elements: number): Operand {
  return { dtype, bytes: new Uint8Array(elements * dtypeBytes(dtype)).fill(POISON) }
}

/** A program of one step whose operand k is input k. */
export function programOf(step: FusedStep, operands: readonly Operand[], params: readonly ScalarType[] = []): Program {
  const slots = operands.map(({ dtype, bytes }, index) => ({
    dtype,
    elements: bytes.length / dtypeBytes(dtype),
    bytes: bytes.length,
    place: { kind: 'input' as const, index },
  }))
  return { slots, params, steps: [step], arenaBytes: 0, inputCount: operands.length, outputCount: 0 }
}

/** The operands' bytes after the step ran on the engine; checks that nothing around them changed. */
export async function runOnEngine(
  backend: Backend,
  step: FusedStep,
  operands: readonly Operand[],
  params: readonly number[] = [],
  types: readonly ScalarType[] = params.map(() => 'f32' as const),
): Promise<Uint8Array[]> {
  const executable = await backend.load(programOf(step, operands, types))
  // One buffer holds margin, operand, margin: the engine is given a view by writing at an offset is not possible, so the
  // operand comes first and the poison behind it.
  const buffers = operands.map(({ bytes }) => backend.allocate(bytes.length + MARGIN))
  await Promise.all(
    operands.map(({ bytes }, k) => {
      const padded = new Uint8Array(bytes.length + MARGIN).fill(POISON)
      padded.set(bytes)
      return backend.write(buffers[k], padded)
    }),
  )
  await backend.run(executable, { inputs: buffers, outputs: [], params })
  const results = await Promise.all(buffers.map((buffer) => backend.read(buffer)))
  for (const buffer of buffers) backend.free(buffer)
  backend.unload(executable)
  results.forEach((bytes, k) => {
    const tail = bytes.subarray(operands[k].bytes.length)
    expect(
      tail.every((byte) => byte === POISON),
      `bytes behind operand ${k}`,
    ).toBe(true)
  })
  return results.map((bytes, k) => bytes.slice(0, operands[k].bytes.length))
}

export function runInInterpreter(
  step: FusedStep,
  operands: readonly Operand[],
  params: readonly number[] = [],
  fused = false,
): Uint8Array[] {
  const copies = operands.map(({ bytes }) => bytes.slice())
  const views = copies.map((bytes) => new DataView(bytes.buffer))
  const own = step.operands.map((slot) => views[slot])
  interpretFused(
    step,
    own,
    step.params.map((param) => params[param]),
    fused,
  )
  return copies
}

/** Equal bit for bit; any NaN equals any NaN, since WebAssembly does not fix their payload. */
export function expectSameBits(actual: Uint8Array, expected: Uint8Array, dtype: DType, what: string): void {
  const words = (bytes: Uint8Array): number[] => [...canonical(bytes.slice().buffer, dtype)]
  const a = words(actual)
  const b = words(expected)
  const wrong = a.findIndex((value, k) => value !== b[k])
  if (wrong >= 0)
    expect.fail(
      `${what}: element ${wrong} of ${a.length} is 0x${a[wrong].toString(16)}, expected 0x${b[wrong].toString(16)}`,
    )
}

function canonical(buffer: ArrayBuffer, dtype: DType): ArrayLike<number> & Iterable<number> {
  switch (dtype) {
    case 'f32':
      return new Uint32Array(buffer).map((bits) => ((bits & 0x7fffffff) >>> 0 > 0x7f800000 ? 0x7fc00000 : bits))
    case 'f16':
      return new Uint16Array(buffer).map((bits) => ((bits & 0x7fff) > 0x7c00 ? 0x7e00 : bits))
    case 'bf16':
      return new Uint16Array(buffer).map((bits) => ((bits & 0x7fff) > 0x7f80 ? 0x7fc0 : bits))
    case 'i32':
    case 'u32':
      return new Uint32Array(buffer)
    default:
      return new Uint8Array(buffer)
  }
}

/** The engine and the interpreter leave the same bytes in every operand. */
export async function expectSame(
  backend: Backend,
  step: FusedStep,
  operands: readonly Operand[],
  params: readonly number[] = [],
  types?: readonly ScalarType[],
): Promise<void> {
  const actual = await runOnEngine(backend, step, operands, params, types)
  const expected = runInInterpreter(step, operands, params)
  actual.forEach((bytes, k) => expectSameBits(bytes, expected[k], operands[k].dtype, `${step.label}, operand ${k}`))
}
