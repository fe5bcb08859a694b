/** Rules of one fused step: types, levels, phases, and that every access which is known in advance stays in its slot. */
import { scalarTypeOf, type ScalarType } from '../../dtype.js'
import { InternalError } from '../../errors.js'
import { argumentsOf } from '../argumentsOf.js'
import { MAX_PHASES, type Access, type Expr, type FusedStep, type Level, type Program, type Store } from '../ir.js'
import { reach } from './access.js'

/** @throws InternalError naming the step and the expression */
export function validateFusedStep(program: Program, step: FusedStep, where: string): void {
  new FusedStepCheck(program, step, where).run()
}

/** Phases that must be finished before an expression can be computed. */
export function phasesBefore(exprs: readonly Expr[]): number[] {
  const before: number[] = []
  for (const expr of exprs) {
    const ofArguments = argumentsOf(expr).reduce((most, arg) => Math.max(most, before[arg]), 0)
    before.push(expr.op === 'reduce' ? Math.max(expr.phase + 1, ofArguments) : ofArguments)
  }
  return before
}

class FusedStepCheck {
  readonly #program: Program
  readonly #step: FusedStep
  readonly #where: string
  /** Extents of all axes, the inner one last. */
  readonly #extents: readonly number[]

  constructor(program: Program, step: FusedStep, where: string) {
    this.#program = program
    this.#step = step
    this.#where = where
    this.#extents = [...step.outer, step.inner]
  }

  run(): void {
    const step = this.#step
    for (const extent of this.#extents)
      this.#require(Number.isInteger(extent) && extent >= 0, `extents must be whole numbers, got [${this.#extents}]`)
    this.#require(
      Number.isInteger(step.phases) && step.phases >= 0 && step.phases <= MAX_PHASES,
      `phases must be 0 … ${MAX_PHASES}, got ${step.phases}`,
    )
    for (const slot of step.operands)
      this.#require(slot in this.#program.slots, `operand names slot ${slot} of ${this.#program.slots.length}`)
    for (const param of step.params)
      this.#require(param in this.#program.params, `names param ${param} of ${this.#program.params.length}`)
    step.exprs.forEach((expr, at) => this.#expression(expr, at))
    this.#phaseOrder()
    step.stores.forEach((store, k) => this.#store(store, `store ${k}`))
  }

  #expression(expr: Expr, at: number): void {
    const what = `expression ${at} (${expr.op})`
    for (const arg of argumentsOf(expr))
      this.#require(
        Number.isInteger(arg) && arg >= 0 && arg < at,
        `${what} reads expression ${arg}, which must come before it`,
      )
    this.#types(expr, what)
    this.#require(
      expr.level === 'element' || !this.#dependsOnInner(expr),
      `${what} is of level row but depends on the inner axis`,
    )
    if (expr.op === 'load') {
      this.#require(
        expr.operand in this.#step.operands,
        `${what} reads operand ${expr.operand} of ${this.#step.operands.length}`,
      )
      this.#access(expr.access, expr.operand, expr.dtype, expr.level, expr.guard !== undefined, what)
    }
  }

  #dependsOnInner(expr: Expr): boolean {
    if (expr.op === 'reduce') return false
    if (expr.op === 'index') return expr.axis === this.#step.outer.length && this.#step.inner > 1
    if (expr.op === 'load' && this.#step.inner > 1 && expr.access.strides[this.#step.outer.length] !== 0) return true
    return argumentsOf(expr).some((arg) => this.#step.exprs[arg].level === 'element')
  }

  #types(expr: Expr, what: string): void {
    const type = (arg: number): ScalarType => this.#step.exprs[arg].type
    const expect = (got: ScalarType, allowed: readonly ScalarType[], role: string): void =>
      this.#require(allowed.includes(got), `${what}: ${role} must be ${allowed.join(' or ')}, got ${got}`)
    switch (expr.op) {
      case 'const':
        return
      case 'param':
        this.#require(
          expr.param in this.#step.params,
          `${what} names param ${expr.param} of ${this.#step.params.length}`,
        )
        return expect(expr.type, [this.#program.params[this.#step.params[expr.param]]], 'its type')
      case 'index':
        this.#require(expr.axis >= 0 && expr.axis < this.#extents.length, `${what} names axis ${expr.axis}`)
        return expect(expr.type, ['i32'], 'its type')
      case 'load':
        if (expr.guard !== undefined) expect(type(expr.guard), ['bool'], 'the guard')
        return expect(expr.type, [scalarTypeOf(expr.dtype)], 'its type')
      case 'reduce': {
        const isPosition = expr.kind === 'argMax' || expr.kind === 'argMin'
        return expect(expr.type, [isPosition ? 'i32' : type(expr.arg)], 'its type')
      }
      case 'round': {
        const held = expr.to === 'i8' ? 'i32' : expr.to === 'u8' ? 'u32' : 'f32'
        expect(type(expr.args[0]), [held], 'its argument')
        return expect(expr.type, [held], 'its type')
      }
      case 'select':
        expect(type(expr.args[0]), ['bool'], 'the condition')
        expect(type(expr.args[1]), [expr.type], 'the first value')
        return expect(type(expr.args[2]), [expr.type], 'the second value')
      case 'fma':
        for (const arg of expr.args) expect(type(arg), ['f32'], 'every argument')
        return expect(expr.type, ['f32'], 'its type')
      default: {
        const rule = OPERATOR_TYPES[expr.op]
        this.#require(rule !== undefined, `${what} is no operator`)
        for (const arg of expr.args) expect(type(arg), rule.takes, 'every argument')
        if (expr.args.length === 2) expect(type(expr.args[1]), [type(expr.args[0])], 'the second argument')
        return expect(expr.type, [rule.gives === 'same' ? type(expr.args[0]) : rule.gives], 'its type')
      }
    }
  }

  #access(access: Access, operand: number, dtype: string, level: Level, isGuarded: boolean, what: string): void {
    const slot = this.#program.slots[this.#step.operands[operand]]
    this.#require(slot.dtype === dtype, `${what} takes ${dtype} from a slot of ${slot.dtype}`)
    this.#require(
      access.strides.length === this.#extents.length,
      `${what} has ${access.strides.length} strides for ${this.#extents.length} axes`,
    )
    for (const term of access.gathered) {
      const index = this.#step.exprs[term.expr]
      this.#require(index?.type === 'i32', `${what}: a gather index must be i32, got ${index?.type}`)
      this.#require(level === 'element' || index.level === 'row', `${what} is of level row but its index is not`)
    }
    if (isGuarded || access.gathered.length > 0) return
    const range = reach(access.offset, access.strides, this.#extents)
    this.#require(
      range === null || (range.low >= 0 && range.high < slot.elements),
      `${what} touches elements ${range?.low} … ${range?.high} of a slot of ${slot.elements}`,
    )
  }

  #phaseOrder(): void {
    const { exprs, phases } = this.#step
    const before = phasesBefore(exprs)
    exprs.forEach((expr, at) => {
      if (expr.op !== 'reduce') return
      this.#require(
        Number.isInteger(expr.phase) && expr.phase >= 0 && expr.phase < phases,
        `expression ${at} (reduce) ends in phase ${expr.phase} of ${phases}`,
      )
      this.#require(
        before[expr.arg] <= expr.phase,
        `expression ${at} (reduce) of phase ${expr.phase} needs a result of phase ${before[expr.arg] - 1}`,
      )
    })
  }

  #store(store: Store, what: string): void {
    const { exprs, operands } = this.#step
    this.#require(store.operand in operands, `${what} names operand ${store.operand} of ${operands.length}`)
    this.#require(store.value in exprs, `${what} takes expression ${store.value} of ${exprs.length}`)
    const value = exprs[store.value]
    const type = scalarTypeOf(store.dtype)
    this.#require(value.type === type, `${what} of ${store.dtype} takes a value of ${type}, got ${value.type}`)
    this.#require(
      store.level === 'element' || value.level === 'row',
      `${what} is of level row but its value is of level element`,
    )
    this.#access(store.access, store.operand, store.dtype, store.level, false, what)
    const isConstantOnRow = this.#step.inner <= 1 || store.access.strides[this.#step.outer.length] === 0
    this.#require(
      store.level === 'element' || isConstantOnRow,
      `${what} is of level row but moves along the inner axis`,
    )
    const { place } = this.#program.slots[operands[store.operand]]
    this.#require(place.kind !== 'input', `${what} writes to an input`)
  }

  #require(holds: boolean, message: string): asserts holds {
    if (!holds) throw new InternalError(`${this.#where} "${this.#step.label}": ${message}`)
  }
}

interface OperatorTypes {
  readonly takes: readonly ScalarType[]
  readonly gives: ScalarType | 'same'
}

const FLOAT: OperatorTypes = { takes: ['f32'], gives: 'same' }
const NUMBER: OperatorTypes = { takes: ['f32', 'i32', 'u32'], gives: 'same' }
const INTEGER: OperatorTypes = { takes: ['i32', 'u32'], gives: 'same' }
const BITWISE: OperatorTypes = { takes: ['i32', 'u32', 'bool'], gives: 'same' }
const COMPARISON: OperatorTypes = { takes: ['f32', 'i32', 'u32', 'bool'], gives: 'bool' }
const BITS: readonly ScalarType[] = ['f32', 'i32', 'u32']

type Operator = Extract<Expr, { args: readonly [number] | readonly [number, number] }>['op']

const OPERATOR_TYPES: Readonly<Record<Exclude<Operator, 'round'>, OperatorTypes>> = {
  neg: { takes: ['f32', 'i32'], gives: 'same' },
  abs: { takes: ['f32', 'i32'], gives: 'same' },
  sqrt: FLOAT,
  floor: FLOAT,
  ceil: FLOAT,
  rint: FLOAT,
  trunc: FLOAT,
  not: BITWISE,
  toF32: { takes: ['i32', 'u32', 'bool'], gives: 'f32' },
  toI32: { takes: ['f32', 'u32', 'bool'], gives: 'i32' },
  toU32: { takes: ['f32', 'i32', 'bool'], gives: 'u32' },
  toBool: { takes: ['f32', 'i32', 'u32'], gives: 'bool' },
  bitsToF32: { takes: BITS, gives: 'f32' },
  bitsToI32: { takes: BITS, gives: 'i32' },
  bitsToU32: { takes: BITS, gives: 'u32' },
  exp: FLOAT,
  log: FLOAT,
  log1p: FLOAT,
  expm1: FLOAT,
  sin: FLOAT,
  cos: FLOAT,
  tanh: FLOAT,
  erf: FLOAT,
  erfInv: FLOAT,
  add: NUMBER,
  sub: NUMBER,
  mul: NUMBER,
  div: NUMBER,
  min: NUMBER,
  max: NUMBER,
  rem: INTEGER,
  and: BITWISE,
  or: BITWISE,
  xor: BITWISE,
  shl: INTEGER,
  shr: INTEGER,
  eq: COMPARISON,
  ne: COMPARISON,
  lt: COMPARISON,
  le: COMPARISON,
  pow: FLOAT,
}
