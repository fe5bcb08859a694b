/** Random fused steps over random accesses, types, guards, gathers and reductions, with operands that fit them. */
import {
  dtypeBytes,
  scalarTypeOf,
  type Access,
  type DType,
  type FusedStep,
  type ReduceKind,
  type ScalarType,
} from '@tarazed/tensor'
import type { Operand } from './fusedHarness.js'
import { StepBuilder } from './stepBuilder.js'

/** A small generator of random numbers, so that a failing case can be run again. */
export class Dice {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }
}

const DTYPES: readonly DType[] = ['f32', 'f32', 'f32', 'f16', 'bf16', 'i32', 'u32', 'i8', 'u8', 'bool']
const SPECIAL = [
  0,
  -0,
  1,
  -1,
  Infinity,
  -Infinity,
  NaN,
  1e-40,
  -1e-42,
  3.4e38,
  65504,
  65520,
  2 ** -24,
  2 ** -25,
  0.5,
  1.5,
  2.5,
  2 ** 31,
  4e9,
]
const INTEGERS = [0, 1, -1, 2, 7, -7, 2 ** 31 - 1, -(2 ** 31), 31, 32, 33, 255, 256]

export interface RandomCase {
  readonly step: FusedStep
  readonly operands: readonly Operand[]
  readonly params: readonly number[]
  readonly types: readonly ScalarType[]
}

export interface Shape {
  readonly outer: readonly number[]
  readonly inner: number
}

export function randomCase(dice: Dice, shape: Shape): RandomCase {
  return new Generator(dice, shape).make()
}

function randomValue(dice: Dice, type: ScalarType): number {
  if (type === 'bool') return dice.below(2)
  if (type === 'f32') return Math.fround(dice.chance(0.15) ? dice.pick(SPECIAL) : (dice.next() - 0.5) * 10)
  const value = dice.chance(0.3) ? dice.pick(INTEGERS) : dice.below(40) - 20
  return type === 'i32' ? value | 0 : value >>> 0
}

function fillOperand(dice: Dice, dtype: DType, elements: number): Operand {
  const bytes = new Uint8Array(elements * dtypeBytes(dtype))
  const view = new DataView(bytes.buffer)
  for (let k = 0; k < elements; k++) {
    if (dtype === 'f32') view.setFloat32(4 * k, randomValue(dice, 'f32'), true)
    else if (dtype === 'i32' || dtype === 'u32') view.setUint32(4 * k, randomValue(dice, dtype) >>> 0, true)
    else if (dtype === 'bool') bytes[k] = dice.below(3)
    else if (dtypeBytes(dtype) === 1) bytes[k] = dice.below(256)
    else view.setUint16(2 * k, dice.below(65536), true)
  }
  return { dtype, bytes }
}

class Generator {
  readonly #dice: Dice
  readonly #builder: StepBuilder
  readonly #operands: Operand[] = []
  readonly #params: number[] = []
  readonly #types: ScalarType[] = []
  readonly #sizes: readonly number[]
  /** Expressions that may be used now: reductions only once their phase has ended. */
  readonly #pool: number[] = []

  constructor(dice: Dice, shape: Shape) {
    this.#dice = dice
    this.#builder = new StepBuilder(shape.outer, shape.inner)
    this.#sizes = [...shape.outer, shape.inner]
  }

  make(): RandomCase {
    const dice = this.#dice
    for (let k = 0; k < 2; k++) this.#keep(this.#load())
    const phases = dice.below(4)
    for (let phase = 0; phase <= phases; phase++) {
      const count = 1 + dice.below(7)
      for (let k = 0; k < count; k++) this.#keep(this.#operation())
      if (phase === phases) break
      const fresh = Array.from({ length: 1 + dice.below(2) }, () => this.#reduction(phase))
      for (const id of fresh) this.#keep(id)
    }
    this.#addStores()
    return { step: this.#builder.step('random'), operands: this.#operands, params: this.#params, types: this.#types }
  }

  #keep(id: number): void {
    this.#pool.push(id)
  }

  #typeOf(id: number): ScalarType {
    return this.#builder.exprs[id].type
  }

  #ofType(type: ScalarType): number {
    const fitting = this.#pool.filter((id) => this.#typeOf(id) === type)
    if (fitting.length > 0 && !this.#dice.chance(0.15)) return this.#dice.pick(fitting.slice(-6))
    return this.#dice.chance(0.3) ? this.#param(type) : this.#builder.constant(type, randomValue(this.#dice, type))
  }

  #param(type: ScalarType): number {
    this.#types.push(type)
    this.#params.push(randomValue(this.#dice, type))
    return this.#builder.param(type, this.#params.length - 1)
  }

  /** Strides of a random walk, the elements that it needs, and the offset that keeps it in range. */
  #walk(): { access: Access; elements: number } {
    const dice = this.#dice
    const order = this.#sizes.map((_, axis) => axis)
    if (dice.chance(0.3)) order.reverse()
    let step = dice.chance(0.2) ? 1 + dice.below(3) : 1
    const strides = new Array<number>(order.length).fill(0)
    let offset = dice.below(5)
    let last = offset
    for (const axis of [...order].reverse()) {
      if (dice.chance(0.25)) continue
      const reach = step * Math.max(0, this.#sizes[axis] - 1)
      last += reach
      const negative = dice.chance(0.15)
      strides[axis] = negative ? -step : step
      if (negative) offset += reach
      step *= Math.max(1, this.#sizes[axis])
    }
    return { access: { offset, strides, gathered: [] }, elements: last + 1 }
  }

  #load(): number {
    const dice = this.#dice
    const dtype = dice.pick(DTYPES)
    const { access, elements } = this.#walk()
    if (dice.chance(0.25)) return this.#gather(dtype, access, elements)
    this.#operands.push(fillOperand(dice, dtype, elements + dice.below(3)))
    const slot = this.#operands.length - 1
    if (!dice.chance(0.25)) return this.#builder.load(slot, dtype, access)
    return this.#shiftedLoad(slot, dtype, access, elements)
  }

  /** A window shifted along one axis, guarded where it leaves the operand. */
  #shiftedLoad(slot: number, dtype: DType, access: Access, elements: number): number {
    const dice = this.#dice
    const axis = dice.below(this.#sizes.length)
    const shift = dice.below(5) - 2
    const b = this.#builder
    const position = b.binary('add', b.index(axis), b.constant('i32', shift))
    const above = b.binary('le', b.constant('i32', 0), position)
    const below = b.binary('lt', position, b.constant('i32', this.#sizes[axis]))
    void elements
    const moved = { ...access, offset: access.offset + shift * access.strides[axis] }
    return b.load(slot, dtype, moved, b.binary('and', above, below))
  }

  /** Adds a bounded index times a stride; with a guard, also where it is out of range. */
  #gather(dtype: DType, access: Access, elements: number): number {
    const dice = this.#dice
    const b = this.#builder
    const extent = 1 + dice.below(6)
    const stride = dice.chance(0.5) ? elements : 1 + dice.below(3)
    this.#operands.push(fillOperand(dice, dtype, elements + (extent - 1) * stride))
    const slot = this.#operands.length - 1
    const raw = this.#ofType('i32')
    const positive = b.unary('abs', b.binary('rem', raw, b.constant('i32', extent)))
    if (!dice.chance(0.4)) return b.load(slot, dtype, { ...access, gathered: [{ expr: positive, stride }] })
    const guard = b.binary(
      'and',
      b.binary('le', b.constant('i32', 0), raw),
      b.binary('lt', raw, b.constant('i32', extent)),
    )
    return b.load(slot, dtype, { ...access, gathered: [{ expr: raw, stride }] }, guard)
  }

  #operation(): number {
    const dice = this.#dice
    const b = this.#builder
    const roll = dice.next()
    if (roll < 0.2) return this.#load()
    if (roll < 0.25) return b.index(dice.below(this.#sizes.length))
    if (roll < 0.5) return this.#floatOperation()
    if (roll < 0.75) return this.#integerOperation(dice.pick(['i32', 'u32'] as const))
    if (roll < 0.85) return this.#boolOperation()
    const type = dice.pick(['f32', 'i32', 'u32', 'bool'] as const)
    if (roll < 0.92) return b.select(this.#ofType('bool'), this.#ofType(type), this.#ofType(type))
    return this.#conversion(type)
  }

  #floatOperation(): number {
    const b = this.#builder
    const a = this.#ofType('f32')
    if (this.#dice.chance(0.3))
      return b.unary(this.#dice.pick(['neg', 'abs', 'sqrt', 'floor', 'ceil', 'rint', 'trunc'] as const), a)
    if (this.#dice.chance(0.15)) return b.round(this.#dice.pick(['f16', 'bf16'] as const), a)
    if (this.#dice.chance(0.15)) return b.fma(a, this.#ofType('f32'), this.#ofType('f32'))
    return b.binary(this.#dice.pick(['add', 'sub', 'mul', 'div', 'min', 'max'] as const), a, this.#ofType('f32'))
  }

  #integerOperation(type: 'i32' | 'u32'): number {
    const b = this.#builder
    const a = this.#ofType(type)
    const one = type === 'i32' ? (['neg', 'abs', 'not'] as const) : (['not'] as const)
    if (this.#dice.chance(0.2)) return b.unary(this.#dice.pick(one), a)
    if (this.#dice.chance(0.1)) return b.round(type === 'i32' ? 'i8' : 'u8', a)
    const two = ['add', 'sub', 'mul', 'div', 'rem', 'min', 'max', 'and', 'or', 'xor', 'shl', 'shr'] as const
    return b.binary(this.#dice.pick(two), a, this.#ofType(type))
  }

  #boolOperation(): number {
    const b = this.#builder
    if (this.#dice.chance(0.2)) return b.unary('not', this.#ofType('bool'))
    if (this.#dice.chance(0.3))
      return b.binary(this.#dice.pick(['and', 'or', 'xor'] as const), this.#ofType('bool'), this.#ofType('bool'))
    const type = this.#dice.pick(['f32', 'i32', 'u32'] as const)
    return b.binary(this.#dice.pick(['eq', 'ne', 'lt', 'le'] as const), this.#ofType(type), this.#ofType(type))
  }

  #conversion(to: ScalarType): number {
    const b = this.#builder
    const from = this.#dice.pick((['f32', 'i32', 'u32', 'bool'] as const).filter((type) => type !== to))
    const a = this.#ofType(from)
    if (to === 'bool') return b.unary('toBool', a, 'bool')
    if (to === 'f32') return b.unary('toF32', a, 'f32')
    return b.unary(to === 'i32' ? 'toI32' : 'toU32', a, to)
  }

  #reduction(phase: number): number {
    const type = this.#dice.pick(['f32', 'f32', 'i32', 'u32', 'bool'] as const)
    const kinds: readonly ReduceKind[] =
      type === 'bool' ? ['any', 'all'] : ['sum', 'prod', 'max', 'min', 'argMax', 'argMin']
    return this.#builder.reduce(this.#dice.pick(kinds), this.#ofType(type), phase)
  }

  #addStores(): void {
    const b = this.#builder
    const { exprs } = b
    const rows = this.#pool.filter((id) => exprs[id].level === 'row')
    const count = 1 + this.#dice.below(3)
    for (let k = 0; k < count; k++) this.#store(this.#dice.pick(this.#pool.slice(-5)), 'element')
    for (const id of rows.slice(-2)) if (this.#dice.chance(0.7)) this.#store(id, 'row')
  }

  /** Stores to a dense operand of its own, in row-major or reversed order of axes. */
  #store(id: number, level: 'row' | 'element'): void {
    const axes = level === 'row' ? this.#sizes.slice(0, -1) : this.#sizes
    const order = axes.map((_, axis) => axis)
    if (this.#dice.chance(0.3)) order.reverse()
    const strides = new Array<number>(this.#sizes.length).fill(0)
    let step = 1
    for (const axis of [...order].reverse()) {
      strides[axis] = step
      step *= axes[axis]
    }
    const type = this.#typeOf(id)
    const dtypes = DTYPES.filter((dtype) => scalarTypeOf(dtype) === type)
    const dtype = this.#dice.pick(dtypes)
    const b = this.#builder
    const value = dtype === 'f16' || dtype === 'bf16' || dtype === 'i8' || dtype === 'u8' ? b.round(dtype, id) : id
    this.#operands.push({ dtype, bytes: new Uint8Array(Math.max(1, step) * dtypeBytes(dtype)).fill(0xa5) })
    b.store(this.#operands.length - 1, dtype, { offset: 0, strides, gathered: [] }, value, level)
  }
}
