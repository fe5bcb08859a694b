/**
 * Runs routines as the engine would, with every freedom it has: items are cut into random ranges, run in random order,
 * on random thread scratches that hold garbage. Results start poisoned and are surrounded by guard bytes.
 */
import { setFlagsFromString } from 'node:v8'
import type { DType, RoutineName, RoutineStep, View } from '@tarazed/tensor'
import { routineBytes } from '../../src/generated/routines.js'
import type { RoutinePlan, RoutinePlanner } from '../../src/routines/plan.js'
import { bytesOf, denseStrides, product } from '../../src/routines/views.js'
import { decodeBF16, decodeF16, encodeBF16, encodeF16 } from './narrow.js'

// Node 20 has relaxed SIMD behind a flag; later versions have no such flag left to set.
if (process.versions.node.startsWith('20.')) setFlagsFromString('--experimental-wasm-relaxed-simd')

export const DTYPES: readonly DType[] = ['f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool']

const modules = new Map<string, WebAssembly.Module>()

function moduleFor(relaxed: boolean, shared: boolean): WebAssembly.Module {
  const key = `${relaxed} ${shared}`
  let module = modules.get(key)
  if (module === undefined) {
    module = new WebAssembly.Module(routineBytes(relaxed, shared) as BufferSource)
    modules.set(key, module)
  }
  return module
}

/** Uniform in [0, 1), reproducible. */
export function randomSource(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

export function randomInteger(random: () => number, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1))
}

export function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const copy = [...list]
  for (let at = copy.length - 1; at > 0; at--) {
    const other = randomInteger(random, 0, at)
    ;[copy[at], copy[other]] = [copy[other], copy[at]]
  }
  return copy
}

/** A logical array: values in row-major order, already representable in the dtype. */
export interface Values {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: Float64Array
}

export function encode(dtype: DType, value: number): number {
  switch (dtype) {
    case 'f16':
      return encodeF16(value)
    case 'bf16':
      return encodeBF16(value)
    default:
      return value
  }
}

function decode(dtype: DType, stored: number): number {
  switch (dtype) {
    case 'f16':
      return decodeF16(stored)
    case 'bf16':
      return decodeBF16(stored)
    default:
      return stored
  }
}

/** Values rounded to what the dtype can hold. */
export function values(dtype: DType, shape: readonly number[], of: (position: number) => number): Values {
  const data = new Float64Array(product(shape))
  const cell = arrayFor(dtype, new ArrayBuffer(8), 0, 1)
  for (let position = 0; position < data.length; position++) {
    cell[0] = encode(dtype, of(position))
    data[position] = decode(dtype, cell[0])
  }
  return { dtype, shape, data }
}

export function randomValues(dtype: DType, shape: readonly number[], random: () => number): Values {
  const isInteger = dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16'
  const unsigned = dtype === 'u32' || dtype === 'u8'
  if (dtype === 'bool') return values(dtype, shape, () => randomInteger(random, 0, 1))
  if (isInteger) return values(dtype, shape, () => randomInteger(random, unsigned ? 0 : -100, 100))
  return values(dtype, shape, () => random() * 2 - 1)
}

type Numbers = Float32Array | Uint16Array | Int32Array | Uint32Array | Int8Array | Uint8Array

function arrayFor(dtype: DType, buffer: ArrayBufferLike, offset: number, length: number): Numbers {
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, offset, length)
    case 'f16':
    case 'bf16':
      return new Uint16Array(buffer, offset, length)
    case 'i32':
      return new Int32Array(buffer, offset, length)
    case 'u32':
      return new Uint32Array(buffer, offset, length)
    case 'i8':
      return new Int8Array(buffer, offset, length)
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer, offset, length)
  }
}

/** Where the elements of an operand lie. */
export interface Layout {
  readonly strides: readonly number[]
  readonly offset: number
  readonly elements: number
}

export function denseLayout(shape: readonly number[]): Layout {
  return { strides: denseStrides(shape), offset: 0, elements: product(shape) }
}

/** Axes in random order of memory, with gaps, as transposes and slices leave them. */
export function randomLayout(shape: readonly number[], random: () => number): Layout {
  const strides = new Array<number>(shape.length).fill(0)
  let stride = random() < 0.3 ? 2 : 1
  for (const axis of shuffled([...shape.keys()], random)) {
    strides[axis] = stride
    stride *= shape[axis] + (random() < 0.4 ? randomInteger(random, 1, 3) : 0)
  }
  const offset = randomInteger(random, 0, 5)
  return { strides, offset, elements: offset + stride }
}

/** Axes in the given order of memory (outermost first), dense. */
export function permutedLayout(shape: readonly number[], order: readonly number[]): Layout {
  const strides = new Array<number>(shape.length).fill(0)
  let stride = 1
  for (const axis of [...order].reverse()) {
    strides[axis] = stride
    stride *= shape[axis]
  }
  return { strides, offset: 0, elements: stride }
}

/** Calls `visit(flat position, element position)` for all elements of a layout. */
function eachElement(
  shape: readonly number[],
  layout: Layout,
  visit: (position: number, element: number) => void,
): void {
  const index = new Array<number>(shape.length).fill(0)
  const total = product(shape)
  for (let position = 0; position < total; position++) {
    let element = layout.offset
    for (let axis = 0; axis < shape.length; axis++) element += index[axis] * layout.strides[axis]
    visit(position, element)
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0
  }
}

export interface RoutineCall {
  readonly name: RoutineName
  readonly planner: RoutinePlanner
  readonly attrs?: RoutineStep['attrs']
  readonly operands: readonly { readonly values: Values; readonly layout?: Layout }[]
  readonly results: readonly { readonly dtype: DType; readonly shape: readonly number[] }[]
}

export interface RunOptions {
  readonly relaxed?: boolean
  readonly shared?: boolean
  /** Lowest address of operands, results and scratch. */
  readonly base?: number
  /** Splits and orders of items. */
  readonly random?: () => number
}

const GUARD = 64
const THREADS = 3

interface Region {
  readonly address: number
  readonly bytes: number
}

/** Results in row-major order. Throws when anything outside of results and scratch was written. */
export function runRoutine(call: RoutineCall, options: RunOptions = {}): Values[] {
  const random = options.random ?? randomSource(1)
  const step = stepOf(call)
  const plan = call.planner(step)
  const machine = new Machine(sizeOf(call, plan), options.shared ?? true, options.base ?? 1024)
  const operands = call.operands.map((operand) => machine.place(operand.values, operand.layout))
  const results = call.results.map((result) => machine.reserve(product(result.shape) * bytesOf(result.dtype)))
  const shared = machine.reserve(plan.sharedBytes)
  const scratches = Array.from({ length: THREADS }, () => machine.reserve(plan.threadBytes))
  const addresses = operands.map(
    (region, at) => region.address + step.operands[at].offset * bytesOf(step.operands[at].dtype),
  )
  const descriptor = machine.reserve(4 * (addresses.length + results.length + 1 + plan.words.length))
  const words = [...addresses, ...results.map((region) => region.address), shared.address, ...plan.words]
  machine.words(descriptor.address).set(words)
  const before = operands.map((region) => machine.bytes(region).slice())

  const instance = new WebAssembly.Instance(moduleFor(options.relaxed ?? true, options.shared ?? true), {
    env: { memory: machine.memory },
  })
  for (const stage of plan.stages) {
    const fn = instance.exports[stage.fn] as (desc: number, scratch: number, begin: number, end: number) => void
    if (fn === undefined) throw new Error(`no export named ${stage.fn}`)
    for (const [begin, end] of shuffled(randomRanges(stage.items, random), random)) {
      fn(descriptor.address, scratches[randomInteger(random, 0, THREADS - 1)].address, begin, end)
    }
  }
  machine.checkGuards()
  operands.forEach((region, at) => {
    if (Buffer.compare(machine.bytes(region), before[at]) !== 0) throw new Error(`operand ${at} was written`)
  })
  return call.results.map(({ dtype, shape }, at) => {
    const stored = arrayFor(dtype, machine.memory.buffer, results[at].address, product(shape))
    return { dtype, shape, data: Float64Array.from(stored, (value) => decode(dtype, value)) }
  })
}

/** The step as the compiler would write it: slots are numbered operands first. */
export function stepOf(call: RoutineCall): RoutineStep {
  const operands = call.operands.map(({ values, layout }, slot): View => {
    const { strides, offset } = layout ?? denseLayout(values.shape)
    return { slot, dtype: values.dtype, shape: values.shape, strides, offset }
  })
  const results = call.results.map(({ dtype, shape }, at): View => {
    return { slot: operands.length + at, dtype, shape, strides: denseStrides(shape), offset: 0 }
  })
  return { kind: 'routine', name: call.name, attrs: call.attrs ?? {}, operands, results }
}

function randomRanges(items: number, random: () => number): [number, number][] {
  const ranges: [number, number][] = []
  const longest = randomInteger(random, 1, Math.max(1, items))
  for (let begin = 0; begin < items;) {
    const end = Math.min(items, begin + randomInteger(random, 1, longest))
    ranges.push([begin, end])
    begin = end
  }
  return ranges
}

function sizeOf(call: RoutineCall, plan: RoutinePlan): number {
  let bytes = plan.sharedBytes + THREADS * plan.threadBytes + plan.words.length * 4 + 1024
  for (const { values, layout } of call.operands) bytes += 8 * ((layout?.elements ?? 0) + product(values.shape))
  for (const { dtype, shape } of call.results) bytes += product(shape) * bytesOf(dtype)
  return bytes + 256 * (call.operands.length + call.results.length + 8)
}

/** One memory with a bump allocator that leaves guard bytes between regions. */
class Machine {
  readonly memory: WebAssembly.Memory
  readonly #regions: Region[] = []
  readonly #base: number
  #next: number

  constructor(bytes: number, shared: boolean, base: number) {
    this.#base = base
    this.#next = base
    const pages = Math.ceil((base + bytes) / 65536) + 1
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared })
    new Uint8Array(this.memory.buffer, base).fill(0xff)
  }

  /** A poisoned region, aligned to 64 bytes, guarded on both sides. */
  reserve(bytes: number): Region {
    const address = Math.ceil((this.#next + GUARD) / 64) * 64
    this.#next = address + bytes + GUARD
    const region = { address, bytes }
    this.#regions.push(region)
    return region
  }

  place(values: Values, layout = denseLayout(values.shape)): Region {
    // An offset view of an odd element leaves the address unaligned for vectors, as slices do.
    const region = this.reserve(layout.elements * bytesOf(values.dtype))
    const stored = arrayFor(values.dtype, this.memory.buffer, region.address, layout.elements)
    eachElement(values.shape, layout, (position, element) => {
      stored[element] = encode(values.dtype, values.data[position])
    })
    return region
  }

  bytes(region: Region): Uint8Array {
    return new Uint8Array(this.memory.buffer, region.address, region.bytes)
  }

  words(address: number): Int32Array {
    return new Int32Array(this.memory.buffer, address)
  }

  checkGuards(): void {
    const bytes = new Uint8Array(this.memory.buffer)
    let at = this.#base
    for (const region of [...this.#regions, { address: this.#next, bytes: 0 }]) {
      for (; at < region.address; at++) {
        if (bytes[at] !== 0xff) throw new Error(`byte ${at} before the region at ${region.address} was written`)
      }
      at = region.address + region.bytes
    }
  }
}
