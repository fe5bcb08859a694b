/** A slow, plain interpreter of fused steps: what the generated code must equal bit for bit. */
import {
  lowerMath,
  REDUCE_BLOCK,
  REDUCE_LANES,
  type Access,
  type DType,
  type Expr,
  type FusedStep,
  type ReduceKind,
  type ScalarType,
} from '@tarazed/tensor'

const BUFFER = new ArrayBuffer(4)
const F32 = new Float32Array(BUFFER)
const U32 = new Uint32Array(BUFFER)

function bitsOf(value: number): number {
  F32[0] = value
  return U32[0]
}

function floatOf(bits: number): number {
  U32[0] = bits
  return F32[0]
}

/** Nearest f16 (ties to even), by search among the two neighbours. */
export function halfBits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const size = Math.abs(value)
  if (size >= 65520) return sign | 0x7c00
  let low = 0
  let high = 0x7c00
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (halfValue(middle) <= size) low = middle
    else high = middle
  }
  const [below, above] = [size - halfValue(low), halfValue(high) - size]
  if (high === 0x7c00) return sign | low
  return sign | (below < above || (below === above && low % 2 === 0) ? low : high)
}

export function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

function bfloatBits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0
  const bits = bitsOf(value)
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** Memory of one operand. */
export type Memory = DataView

export function readElement(memory: Memory, dtype: DType, index: number): number {
  switch (dtype) {
    case 'f32':
      return memory.getFloat32(4 * index, true)
    case 'f16':
      return halfValue(memory.getUint16(2 * index, true))
    case 'bf16':
      return floatOf((memory.getUint16(2 * index, true) << 16) >>> 0)
    case 'i32':
      return memory.getInt32(4 * index, true)
    case 'u32':
      return memory.getUint32(4 * index, true)
    case 'i8':
      return memory.getInt8(index)
    case 'u8':
      return memory.getUint8(index)
    case 'bool':
      return memory.getUint8(index) === 0 ? 0 : 1
  }
}

export function writeElement(memory: Memory, dtype: DType, index: number, value: number): void {
  switch (dtype) {
    case 'f32':
      return memory.setFloat32(4 * index, value, true)
    case 'f16':
      return memory.setUint16(2 * index, halfBits(value), true)
    case 'bf16':
      return memory.setUint16(2 * index, bfloatBits(value), true)
    case 'i32':
      return memory.setInt32(4 * index, value, true)
    case 'u32':
      return memory.setUint32(4 * index, value, true)
    case 'i8':
      return memory.setInt8(index, value)
    case 'u8':
    case 'bool':
      return memory.setUint8(index, value)
  }
}

function rint(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest < 0.5 || !Number.isFinite(value)) return rest === 0 ? value : Object.is(floor, 0) && value < 0 ? -0 : floor
  const up = floor + 1
  const result = rest > 0.5 ? up : floor % 2 === 0 ? floor : up
  return result === 0 && value < 0 ? -0 : result
}

function keepSign(result: number, value: number): number {
  return result === 0 && (value < 0 || Object.is(value, -0)) ? -0 : result
}

function toType(type: ScalarType, value: number): number {
  if (type === 'f32') return Math.fround(value)
  if (type === 'bool') return value === 0 ? 0 : 1
  return type === 'i32' ? value | 0 : value >>> 0
}

function cut(value: number, low: number, high: number): number {
  return Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, Math.trunc(value)))
}

function unary(op: string, type: ScalarType, from: ScalarType, a: number): number {
  switch (op) {
    case 'neg':
      return -a
    case 'abs':
      return Math.abs(a)
    case 'sqrt':
      return Math.sqrt(a)
    case 'floor':
      return keepSign(Math.floor(a), a)
    case 'ceil':
      return keepSign(Math.ceil(a), a)
    case 'trunc':
      return keepSign(Math.trunc(a), a)
    case 'rint':
      return rint(a)
    case 'not':
      return from === 'bool' ? 1 - a : ~a
    case 'toF32':
      return a
    case 'toI32':
      return from === 'f32' ? cut(a, -(2 ** 31), 2 ** 31 - 1) : a
    case 'toU32':
      return from === 'f32' ? cut(a, 0, 2 ** 32 - 1) : a
    case 'toBool':
      return Number.isNaN(a) || a !== 0 ? 1 : 0
    case 'bitsToF32':
      return from === 'f32' ? a : floatOf(a >>> 0)
    case 'bitsToI32':
    case 'bitsToU32':
      return from === 'f32' ? bitsOf(a) : a
    default:
      throw new Error(`interpret: ${op} of ${type}`)
  }
}

function extremum(kind: 'min' | 'max', a: number, b: number): number {
  return kind === 'min' ? Math.min(a, b) : Math.max(a, b)
}

function binary(op: string, type: ScalarType, a: number, b: number): number {
  const isFloat = type === 'f32'
  switch (op) {
    case 'add':
      return a + b
    case 'sub':
      return a - b
    case 'mul':
      return isFloat ? a * b : Math.imul(a, b)
    case 'div':
      return isFloat ? a / b : b === 0 ? 0 : Math.trunc(a / b)
    case 'rem':
      return b === 0 ? 0 : a % b
    case 'min':
    case 'max':
      return extremum(op, a, b)
    case 'and':
      return a & b
    case 'or':
      return a | b
    case 'xor':
      return a ^ b
    case 'shl':
      return a << (b & 31)
    case 'shr':
      return type === 'u32' ? a >>> (b & 31) : a >> (b & 31)
    case 'eq':
      return Number(a === b)
    case 'ne':
      return Number(a !== b)
    case 'lt':
      return Number(a < b)
    case 'le':
      return Number(a <= b)
    default:
      throw new Error(`interpret: ${op}`)
  }
}

/** Exact product and sum, rounded to float64, then to f32: equals one rounding except in rare ties. */
function fma(a: number, b: number, c: number, fused: boolean): number {
  return fused ? Math.fround(a * b + c) : Math.fround(Math.fround(a * b) + c)
}

function identity(kind: ReduceKind, type: ScalarType): number {
  switch (kind) {
    case 'sum':
    case 'any':
      return 0
    case 'prod':
    case 'all':
      return 1
    case 'max':
    case 'argMax':
      return type === 'f32' ? -Infinity : type === 'i32' ? -(2 ** 31) : 0
    case 'min':
    case 'argMin':
      return type === 'f32' ? Infinity : type === 'i32' ? 2 ** 31 - 1 : type === 'u32' ? 2 ** 32 - 1 : 1
  }
}

function foldTwo(kind: ReduceKind, type: ScalarType, a: number, b: number): number {
  if (kind === 'sum') return toType(type, a + b)
  if (kind === 'prod') return toType(type, type === 'f32' ? a * b : Math.imul(a, b))
  if (kind === 'any') return a | b
  if (kind === 'all') return a & b
  return extremum(kind === 'max' ? 'max' : 'min', a, b)
}

function reduceRow(kind: ReduceKind, type: ScalarType, values: readonly number[]): number {
  if (kind === 'argMax' || kind === 'argMin') return bestIndex(kind, values)
  const start = identity(kind, type)
  const totals = new Array<number>(REDUCE_LANES).fill(start)
  for (let from = 0; from < values.length; from += REDUCE_BLOCK) {
    const lanes = new Array<number>(REDUCE_LANES).fill(start)
    for (let j = from; j < Math.min(values.length, from + REDUCE_BLOCK); j++) {
      lanes[j % REDUCE_LANES] = foldTwo(kind, type, lanes[j % REDUCE_LANES], values[j])
    }
    lanes.forEach((value, lane) => (totals[lane] = foldTwo(kind, type, totals[lane], value)))
  }
  for (let width = REDUCE_LANES / 2; width >= 1; width /= 2) {
    for (let lane = 0; lane < width; lane++) totals[lane] = foldTwo(kind, type, totals[lane], totals[lane + width])
  }
  return totals[0]
}

function bestIndex(kind: ReduceKind, values: readonly number[]): number {
  let best = 0
  const better = (a: number, b: number) => {
    if (Number.isNaN(b)) return false
    return Number.isNaN(a) || (kind === 'argMax' ? a > b : a < b)
  }
  for (let j = 1; j < values.length; j++) if (better(values[j], values[best])) best = j
  return best
}

/** Runs a step over operand memories (by position in `operands`) with params (by position in `params`). */
export function interpretFused(
  original: FusedStep,
  operands: readonly Memory[],
  params: readonly number[],
  fused: boolean,
): void {
  const step = lowerMath(original)
  const rows = step.outer.reduce((product, extent) => product * extent, 1)
  for (let row = 0; row < rows; row++) interpretRow(step, outerIndex(step, row), operands, params, fused)
}

function outerIndex(step: FusedStep, row: number): number[] {
  const index: number[] = []
  let rest = row
  for (let axis = step.outer.length - 1; axis >= 0; axis--) {
    index[axis] = rest % step.outer[axis]
    rest = Math.floor(rest / step.outer[axis])
  }
  return index
}

function interpretRow(
  step: FusedStep,
  outer: number[],
  operands: readonly Memory[],
  params: readonly number[],
  fused: boolean,
): void {
  const reduced = new Map<number, number>()
  const at = (j: number) => new Evaluation(step, [...outer, j], reduced, operands, params, fused)
  for (let phase = 0; phase < step.phases; phase++) {
    const done: [number, number][] = []
    step.exprs.forEach((expr, id) => {
      if (expr.op !== 'reduce' || expr.phase !== phase) return
      const values = Array.from({ length: step.inner }, (_, j) => at(j).value(expr.arg))
      done.push([id, reduceRow(expr.kind, step.exprs[expr.arg].type, values)])
    })
    for (const [id, value] of done) reduced.set(id, value)
  }
  const rowStores = step.stores.filter((store) => store.level === 'row')
  const rowEvaluation = at(0)
  const rowWrites = rowStores.map(
    (store) => [store, rowEvaluation.address(store.access), rowEvaluation.value(store.value)] as const,
  )
  for (let j = 0; j < step.inner; j++) {
    const evaluation = at(j)
    const stores = step.stores.filter((store) => store.level === 'element')
    const writes = stores.map(
      (store) => [store, evaluation.address(store.access), evaluation.value(store.value)] as const,
    )
    for (const [store, address, value] of writes) writeElement(operands[store.operand], store.dtype, address, value)
  }
  for (const [store, address, value] of rowWrites) writeElement(operands[store.operand], store.dtype, address, value)
}

class Evaluation {
  readonly #values = new Map<number, number>()

  constructor(
    readonly step: FusedStep,
    readonly index: readonly number[],
    readonly reduced: ReadonlyMap<number, number>,
    readonly operands: readonly Memory[],
    readonly params: readonly number[],
    readonly fused: boolean,
  ) {}

  value(id: number): number {
    const known = this.#values.get(id)
    if (known !== undefined) return known
    const expr = this.step.exprs[id]
    const value = toType(expr.type, this.#compute(id, expr))
    this.#values.set(id, value)
    return value
  }

  address(access: Access): number {
    const affine = access.strides.reduce((sum, stride, axis) => sum + stride * this.index[axis], access.offset)
    return access.gathered.reduce((sum, term) => sum + term.stride * this.value(term.expr), affine)
  }

  #compute(id: number, expr: Expr): number {
    switch (expr.op) {
      case 'const':
        return expr.value
      case 'param':
        return this.params[expr.param]
      case 'index':
        return this.index[expr.axis]
      case 'load':
        if (expr.guard !== undefined && this.value(expr.guard) === 0) return 0
        return readElement(this.operands[expr.operand], expr.dtype, this.address(expr.access))
      case 'reduce':
        return this.reduced.get(id)!
      case 'round':
        return this.#round(expr.to, this.value(expr.args[0]))
      case 'select':
        return this.value(expr.args[0]) !== 0 ? this.value(expr.args[1]) : this.value(expr.args[2])
      case 'fma':
        return fma(this.value(expr.args[0]), this.value(expr.args[1]), this.value(expr.args[2]), this.fused)
      default:
        if (expr.args.length === 1)
          return unary(expr.op, expr.type, this.step.exprs[expr.args[0]].type, this.value(expr.args[0]))
        return binary(expr.op, this.step.exprs[expr.args[0]].type, this.value(expr.args[0]), this.value(expr.args[1]))
    }
  }

  #round(to: 'f16' | 'bf16' | 'i8' | 'u8', value: number): number {
    switch (to) {
      case 'f16':
        return halfValue(halfBits(value))
      case 'bf16':
        return floatOf((bfloatBits(value) << 16) >>> 0)
      case 'i8':
        return (value << 24) >> 24
      case 'u8':
        return value & 255
    }
  }
}
