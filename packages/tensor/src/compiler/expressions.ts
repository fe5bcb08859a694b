/**
 * The expressions of a step: a list in dependency order without duplicates, and the arithmetic of dtypes in terms of the few
 * operators that backends know.
 */
import { isFloat, scalarTypeOf, type DType, type ScalarType } from '../dtype.js'
import { InternalError } from '../errors.js'
import type { BinaryExprOp, Expr, Level, UnaryExprOp } from '../program/ir.js'
import { argumentsOf } from '../program/argumentsOf.js'
import type { Value } from './value.js'

/** An expression before its level is known. Distributes over the union instead of intersecting it away. */
export type ExprBody = Expr extends infer E ? (E extends Expr ? Omit<E, 'level'> : never) : never

export class Expressions {
  readonly list: Expr[] = []
  /** By expression: reductions that have to be finished before it can be computed. */
  readonly phaseOf: number[] = []
  readonly #table = new Map<string, number>()
  readonly #float64: boolean
  readonly #innerAxis: number

  /**
   * @param innerAxis position of the inner axis among the step's axes, -1 when there is none
   * @param float64 constants are rounded to f32 unless floats are held as float64
   */
  constructor(innerAxis: number, float64: boolean) {
    this.#innerAxis = innerAxis
    this.#float64 = float64
  }

  /** Appends an expression, or finds an equal one. */
  add(body: ExprBody): number {
    const level = this.#levelOf(body)
    const key = exprKey(body)
    const known = this.#table.get(key)
    if (known !== undefined) return known
    const id = this.list.length
    this.list.push({ ...body, level } as Expr)
    this.phaseOf[id] = Math.max(0, ...argumentsOf(body as Expr).map((arg) => this.phaseOf[arg]))
    this.#table.set(key, id)
    return id
  }

  constant(value: number, type: ScalarType, dtype?: DType): number {
    const exact =
      type === 'f32'
        ? this.#float64
          ? value
          : Math.fround(value)
        : type === 'i32'
          ? value | 0
          : type === 'u32'
            ? value >>> 0
            : value !== 0
              ? 1
              : 0
    const expr = this.add({ op: 'const', type, value: exact })
    return dtype === 'f16' || dtype === 'bf16' ? this.rounded(expr, dtype) : expr
  }

  select(type: ScalarType, cond: number, a: number, b: number): number {
    if (type === 'bool') {
      const and = (x: number, y: number): number => this.add({ op: 'and', type, args: [x, y] })
      const not = this.add({ op: 'not', type, args: [cond] })
      return this.add({ op: 'or', type, args: [and(cond, a), and(not, b)] })
    }
    return a === b ? a : this.add({ op: 'select', type, args: [cond, a, b] })
  }

  /** Narrow dtypes are rounded or wrapped after every operator, fused or not. */
  rounded(x: number, dtype: DType): number {
    if (dtype === 'f16' || dtype === 'bf16' || dtype === 'i8' || dtype === 'u8')
      return this.add({ op: 'round', type: scalarTypeOf(dtype), to: dtype, args: [x] })
    return x
  }

  arithmetic(op: Value['op'], args: readonly number[], operandType: ScalarType, type: ScalarType): number {
    if (operandType === 'bool') return this.#boolean(op, args)
    const unary = UNARY[op]
    if (unary !== undefined) {
      if (op === 'neg' && type === 'u32') return this.add({ op: 'sub', type, args: [this.constant(0, 'u32'), args[0]] })
      if (type === 'u32' && op === 'abs') return args[0]
      return this.add({ op: unary, type, args: [args[0]] })
    }
    const binary = BINARY[op]
    if (binary === undefined) throw new InternalError(`emit: no expression for "${op}"`)
    return this.add({ op: binary, type, args: [args[0], args[1]] })
  }

  /** Comparisons of truth values by logic: false < true. */
  #boolean(op: Value['op'], args: readonly number[]): number {
    const [a, b] = args
    const not = (x: number): number => this.add({ op: 'not', type: 'bool', args: [x] })
    const join = (name: 'and' | 'or' | 'xor', x: number, y: number): number =>
      this.add({ op: name, type: 'bool', args: [x, y] })
    switch (op) {
      case 'not':
        return not(a)
      case 'and':
      case 'or':
      case 'xor':
        return join(op, a, b)
      case 'ne':
        return join('xor', a, b)
      case 'eq':
        return not(join('xor', a, b))
      case 'lt':
        return join('and', not(a), b)
      case 'le':
        return join('or', not(a), b)
      case 'minimum':
      case 'mul':
        return join('and', a, b)
      case 'maximum':
      case 'add':
        return join('or', a, b)
      default:
        throw new InternalError(`emit: "${op}" is not defined for bool`)
    }
  }

  sign(x: number, dtype: DType): number {
    const type = scalarTypeOf(dtype)
    const zero = this.constant(0, type)
    const one = this.constant(1, type)
    const positive = this.add({ op: 'lt', type: 'bool', args: [zero, x] })
    if (type === 'u32') return this.select(type, positive, one, zero)
    const negative = this.add({ op: 'lt', type: 'bool', args: [x, zero] })
    // x itself where it is neither: a zero keeps its sign and NaN stays NaN.
    return this.select(type, positive, one, this.select(type, negative, this.constant(-1, type), x))
  }

  cast(x: number, from: DType, to: DType): number {
    const source = scalarTypeOf(from)
    const target = scalarTypeOf(to)
    if (to === 'bool') return this.add({ op: 'toBool', type: 'bool', args: [x] })
    if (isFloat(to)) return this.rounded(source === 'f32' ? x : this.add({ op: 'toF32', type: 'f32', args: [x] }), to)
    if (source === 'f32' && (to === 'i8' || to === 'u8')) return this.#clampedNarrow(x, to)
    const widened =
      source === target ? x : this.add({ op: target === 'i32' ? 'toI32' : 'toU32', type: target, args: [x] })
    return this.rounded(widened, to)
  }

  /** Float -> i8, u8: cut toward zero and clamped, NaN to 0. */
  #clampedNarrow(x: number, to: 'i8' | 'u8'): number {
    const cut = this.add({ op: 'toI32', type: 'i32', args: [x] })
    const [low, high] = to === 'i8' ? [-128, 127] : [0, 255]
    const above = this.add({ op: 'max', type: 'i32', args: [cut, this.constant(low, 'i32')] })
    const clamped = this.add({ op: 'min', type: 'i32', args: [above, this.constant(high, 'i32')] })
    return to === 'i8' ? clamped : this.add({ op: 'toU32', type: 'u32', args: [clamped] })
  }

  /** Threefry-2x32, 20 rounds (Salmon et al., SC 2011). Both words share all expressions. */
  threefry(word: 0 | 1, args: readonly [number, number, number, number]): number {
    const u32 = (op: BinaryExprOp, a: number, b: number): number => this.add({ op, type: 'u32', args: [a, b] })
    const constant = (c: number): number => this.constant(c, 'u32')
    const rotate = (x: number, by: number): number =>
      u32('or', u32('shl', x, constant(by)), u32('shr', x, constant(32 - by)))
    const [k0, k1] = args
    const keys = [k0, k1, u32('xor', u32('xor', k0, k1), constant(0x1bd11bda))]
    let x0 = u32('add', args[2], k0)
    let x1 = u32('add', args[3], k1)
    for (let block = 0; block < 5; block++) {
      for (const by of block % 2 === 0 ? [13, 15, 26, 6] : [17, 29, 16, 24]) {
        x0 = u32('add', x0, x1)
        x1 = u32('xor', rotate(x1, by), x0)
      }
      x0 = u32('add', x0, keys[(block + 1) % 3])
      x1 = u32('add', u32('add', x1, keys[(block + 2) % 3]), constant(block + 1))
    }
    return word === 0 ? x0 : x1
  }

  #levelOf(body: ExprBody): Level {
    if (body.op === 'reduce') return 'row'
    if (body.op === 'index') return body.axis === this.#innerAxis ? 'element' : 'row'
    if (body.op === 'load' && body.access.strides[body.access.strides.length - 1] !== 0) return 'element'
    return argumentsOf(body as Expr).some((arg) => this.list[arg].level === 'element') ? 'element' : 'row'
  }
}

function exprKey(body: ExprBody): string {
  switch (body.op) {
    case 'const':
      return `const|${body.type}|${Object.is(body.value, -0) ? '-0' : String(body.value)}`
    case 'param':
      return `param|${body.type}|${body.param}`
    case 'index':
      return `index|${body.axis}`
    case 'load': {
      const { offset, strides, gathered } = body.access
      return `load|${body.operand}|${offset}|${strides.join(',')}|${gathered.map((term) => `${term.stride}*${term.expr}`).join(',')}|${body.guard ?? ''}`
    }
    case 'reduce':
      return `reduce|${body.kind}|${body.arg}|${body.phase}`
    case 'round':
      return `round|${body.to}|${body.args[0]}`
    default:
      return `${body.op}|${body.type}|${body.args.join(',')}`
  }
}

const UNARY: Readonly<Partial<Record<Value['op'], UnaryExprOp>>> = {
  neg: 'neg',
  abs: 'abs',
  floor: 'floor',
  ceil: 'ceil',
  round: 'rint',
  sqrt: 'sqrt',
  exp: 'exp',
  log: 'log',
  log1p: 'log1p',
  expm1: 'expm1',
  sin: 'sin',
  cos: 'cos',
  tanh: 'tanh',
  erf: 'erf',
  erfInv: 'erfInv',
  not: 'not',
}

const BINARY: Readonly<Partial<Record<Value['op'], BinaryExprOp>>> = {
  add: 'add',
  sub: 'sub',
  mul: 'mul',
  div: 'div',
  pow: 'pow',
  minimum: 'min',
  maximum: 'max',
  rem: 'rem',
  and: 'and',
  or: 'or',
  xor: 'xor',
  shl: 'shl',
  shr: 'shr',
  eq: 'eq',
  ne: 'ne',
  lt: 'lt',
  le: 'le',
}
