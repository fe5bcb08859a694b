/** Hand-made programs for the tests of the validator and the reference backend. */
import { dtypeBytes, isFloat, scalarTypeOf, type DType, type ScalarType } from '../src/dtype.js'
import type { Backend, DeviceBuffer } from '../src/program/backend.js'
import type {
  Access,
  Expr,
  FusedStep,
  Program,
  RoutineAttrs,
  RoutineName,
  Slot,
  Step,
  Store,
  View,
} from '../src/program/ir.js'
import { sizeOf, stridesOf } from '../src/shape.js'

export type Place = Slot['place']

export function slot(dtype: DType, elements: number, place: Place, float64 = false): Slot {
  return { dtype, elements, bytes: elements * (float64 && isFloat(dtype) ? 8 : dtypeBytes(dtype)), place }
}

export const input = (index: number): Place => ({ kind: 'input', index })
export const output = (index: number, aliasOf?: number): Place =>
  aliasOf === undefined ? { kind: 'output', index } : { kind: 'output', index, aliasOf }
export const temp = (offset: number): Place => ({ kind: 'temp', offset })

export function program(slots: readonly Slot[], steps: readonly Step[], params: readonly ScalarType[] = []): Program {
  const ends = slots.map(({ place, bytes }) => (place.kind === 'temp' ? place.offset + bytes : 0))
  return {
    slots,
    steps,
    params,
    arenaBytes: Math.max(0, ...ends),
    inputCount: slots.filter(({ place }) => place.kind === 'input').length,
    outputCount: slots.filter(({ place }) => place.kind === 'output').length,
  }
}

export function access(strides: readonly number[], offset = 0, gathered: Access['gathered'] = []): Access {
  return { offset, strides, gathered }
}

export const element = { level: 'element' } as const
export const row = { level: 'row' } as const

export function load(operand: number, dtype: DType, where: Access, more: { level?: 'row'; guard?: number } = {}): Expr {
  return { op: 'load', type: scalarTypeOf(dtype), level: 'element', operand, dtype, access: where, ...more }
}

export function store(
  operand: number,
  dtype: DType,
  where: Access,
  value: number,
  level: Store['level'] = 'element',
): Store {
  return { operand, dtype, access: where, value, level }
}

export function fused(parts: Partial<FusedStep> & Pick<FusedStep, 'exprs' | 'stores' | 'operands'>): FusedStep {
  return { kind: 'fused', label: 'test', outer: [], inner: 1, phases: 0, params: [], ...parts }
}

/** One operator over all elements: inputs are slots 0 …, the output is the slot after them. */
export function pointwise(op: string, types: readonly DType[], to: DType, count: number): Program {
  const dense = access([1])
  const loads = types.map((dtype, k) => load(k, dtype, dense))
  const args = types.map((_, k) => k)
  const result = { op, type: scalarTypeOf(to), level: 'element', args } as unknown as Expr
  const step = fused({
    inner: count,
    exprs: [...loads, result],
    stores: [store(types.length, to, dense, types.length)],
    operands: [...args, types.length],
  })
  return program([...types.map((dtype, k) => slot(dtype, count, input(k))), slot(to, count, output(0))], [step])
}

export interface HostArray {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

export function array(dtype: DType, shape: readonly number[], values: readonly number[]): HostArray {
  return { dtype, shape, values }
}

export function denseView(slotId: number, dtype: DType, shape: readonly number[]): View {
  return { slot: slotId, dtype, shape, strides: stridesOf(shape), offset: 0 }
}

/** A routine on dense inputs with dense outputs. */
export function routine(
  name: RoutineName,
  attrs: RoutineAttrs,
  operands: readonly HostArray[],
  results: readonly Pick<HostArray, 'dtype' | 'shape'>[],
  float64 = false,
): Program {
  const slots = [
    ...operands.map(({ dtype, shape }, k) => slot(dtype, sizeOf(shape), input(k), float64)),
    ...results.map(({ dtype, shape }, k) => slot(dtype, sizeOf(shape), output(k), float64)),
  ]
  const step: Step = {
    kind: 'routine',
    name,
    attrs,
    operands: operands.map(({ dtype, shape }, k) => denseView(k, dtype, shape)),
    results: results.map(({ dtype, shape }, k) => denseView(operands.length + k, dtype, shape)),
  }
  return program(slots, [step])
}

type Numbers = Float64Array | Float32Array | Int32Array | Uint32Array | Int8Array | Uint8Array | Uint16Array

export function toBytes(dtype: DType, values: readonly number[], float64: boolean): Uint8Array {
  const made = arrayOf(dtype, values.length, float64)
  made.set(values)
  return new Uint8Array(made.buffer)
}

function arrayOf(
  dtype: DType,
  size: number,
  float64: boolean,
  buffer: ArrayBuffer = new ArrayBuffer(size * 8),
): Numbers {
  if (float64 && isFloat(dtype)) return new Float64Array(buffer, 0, size)
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, 0, size)
    case 'f16':
    case 'bf16':
      return new Uint16Array(buffer, 0, size)
    case 'i32':
      return new Int32Array(buffer, 0, size)
    case 'u32':
      return new Uint32Array(buffer, 0, size)
    case 'i8':
      return new Int8Array(buffer, 0, size)
    default:
      return new Uint8Array(buffer, 0, size)
  }
}

/** Runs a program once on fresh buffers (aliases share them) and reads all outputs; f16 and bf16 as bits. */
export async function runOnce(
  backend: Backend,
  made: Program,
  inputs: readonly (readonly number[])[],
  params: readonly number[] = [],
): Promise<number[][]> {
  const { float64 } = backend.capabilities
  const slotOf = (kind: 'input' | 'output', index: number): Slot => {
    const found = made.slots.find(({ place }) => place.kind === kind && place.index === index)
    if (found === undefined) throw new Error(`no ${kind} ${index}`)
    return found
  }
  const buffers: DeviceBuffer[] = []
  for (const [k, values] of inputs.entries()) {
    const { dtype, bytes } = slotOf('input', k)
    const buffer = backend.allocate(bytes)
    await backend.write(buffer, toBytes(dtype, values, float64).subarray(0, bytes))
    buffers.push(buffer)
  }
  const outputs = Array.from({ length: made.outputCount }, (_, k) => {
    const { place, bytes } = slotOf('output', k)
    return place.kind === 'output' && place.aliasOf !== undefined ? buffers[place.aliasOf] : backend.allocate(bytes)
  })
  await backend.run(await backend.load(made), { inputs: buffers, outputs, params })
  const results: number[][] = []
  for (const [k, buffer] of outputs.entries()) {
    const { dtype, elements } = slotOf('output', k)
    const { buffer: bytes } = (await backend.read(buffer)).slice()
    results.push([...arrayOf(dtype, elements, float64, bytes)])
  }
  for (const buffer of new Set([...buffers, ...outputs])) backend.free(buffer)
  return results
}
