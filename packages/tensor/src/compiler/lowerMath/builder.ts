import type { BinaryExprOp, Expr, Level, MathFunction, UnaryExprOp } from '../../program/ir.js'
import type { ScalarType } from '../../dtype.js'
import { InternalError } from '../../errors.js'

/** Number of an expression in the step that is being built. */
export type ExprId = number

type BasicUnary = Exclude<UnaryExprOp, MathFunction>
type BasicBinary = Exclude<BinaryExprOp, 'pow'>

const COMPARISONS: ReadonlySet<string> = new Set(['eq', 'ne', 'lt', 'le'])

/**
 * Appends expressions to a fused step. What the math functions emit is numbered by value: the same operator on
 * the same arguments exists once, so that sin and cos of one angle, or two functions of one operand, share work.
 */
export class ExprBuilder {
  readonly exprs: Expr[] = []
  readonly #known = new Map<string, ExprId>()

  /** Appends an expression of the original step as it is (its arguments already renumbered). */
  append(expr: Expr): ExprId {
    if (expr.op === 'const') return this.#constant(expr.type, expr.value)
    this.exprs.push(expr)
    return this.exprs.length - 1
  }

  /** f32 constant, rounded to nearest. */
  f32(value: number): ExprId {
    return this.#constant('f32', Math.fround(value))
  }

  /** i32 constant; `value` may be given as unsigned bits. */
  i32(value: number): ExprId {
    return this.#constant('i32', value | 0)
  }

  unary(op: BasicUnary, a: ExprId): ExprId {
    const type = unaryResult(op, this.exprs[a].type)
    return this.#intern(`${op}(${a})`, { type, level: this.#levelOf([a]), op, args: [a] })
  }

  binary(op: BasicBinary, a: ExprId, b: ExprId): ExprId {
    if (this.exprs[a].type !== this.exprs[b].type)
      throw new InternalError(`lowerMath: ${op} of ${this.exprs[a].type} and ${this.exprs[b].type}`)
    const type = COMPARISONS.has(op) ? 'bool' : this.exprs[a].type
    return this.#intern(`${op}(${a},${b})`, { type, level: this.#levelOf([a, b]), op, args: [a, b] })
  }

  select(condition: ExprId, yes: ExprId, no: ExprId): ExprId {
    const args = [condition, yes, no] as const
    const type = this.exprs[yes].type
    return this.#intern(`select(${args.join()})`, { type, level: this.#levelOf(args), op: 'select', args })
  }

  /** a·b + c, rounded once or twice. */
  fma(a: ExprId, b: ExprId, c: ExprId): ExprId {
    const args = [a, b, c] as const
    return this.#intern(`fma(${args.join()})`, { type: 'f32', level: this.#levelOf(args), op: 'fma', args })
  }

  add(a: ExprId, b: ExprId): ExprId {
    return this.binary('add', a, b)
  }
  sub(a: ExprId, b: ExprId): ExprId {
    return this.binary('sub', a, b)
  }
  mul(a: ExprId, b: ExprId): ExprId {
    return this.binary('mul', a, b)
  }

  /** The i32 bits of an f32 value. */
  bits(a: ExprId): ExprId {
    return this.unary('bitsToI32', a)
  }
  /** The f32 value of i32 bits. */
  fromBits(a: ExprId): ExprId {
    return this.unary('bitsToF32', a)
  }

  /**
   * x limited to [low, high]; NaN stays NaN. Written as `low < x … select`, which is exactly the one instruction
   * `pmax`, `pmin` of SIMD engines; `max` and `min` of the IR cost several there.
   */
  clamp(x: ExprId, low: number, high: number): ExprId {
    const lowest = this.f32(low)
    const raised = this.select(this.binary('lt', x, lowest), lowest, x)
    const highest = this.f32(high)
    return this.select(this.binary('lt', highest, raised), highest, raised)
  }

  /** c[0] + c[1]·x + c[2]·x² + … by Horner's rule: one fma a coefficient. */
  polynomial(x: ExprId, coefficients: readonly number[]): ExprId {
    let sum = this.f32(coefficients[coefficients.length - 1])
    for (let i = coefficients.length - 2; i >= 0; i--) sum = this.fma(sum, x, this.f32(coefficients[i]))
    return sum
  }

  /** value - n·constant with the constant given in parts (see `splitConstant`), one fma a part. */
  subtractMultiple(value: ExprId, n: ExprId, parts: readonly number[]): ExprId {
    return parts.reduce((rest, part) => this.fma(n, this.f32(-part), rest), value)
  }

  #constant(type: ScalarType, value: number): ExprId {
    // Object.is semantics: -0 and 0 are two constants
    const text = Object.is(value, -0) ? '-0' : String(value)
    return this.#intern(`${type} ${text}`, { type, level: 'row', op: 'const', value })
  }

  #intern(key: string, expr: Expr): ExprId {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.exprs.push(expr)
    this.#known.set(key, this.exprs.length - 1)
    return this.exprs.length - 1
  }

  #levelOf(args: readonly ExprId[]): Level {
    return args.some((arg) => this.exprs[arg].level === 'element') ? 'element' : 'row'
  }
}

function unaryResult(op: BasicUnary, argument: ScalarType): ScalarType {
  switch (op) {
    case 'toF32':
    case 'bitsToF32':
      return 'f32'
    case 'toI32':
    case 'bitsToI32':
      return 'i32'
    case 'toU32':
    case 'bitsToU32':
      return 'u32'
    case 'toBool':
      return 'bool'
    default:
      return argument
  }
}
