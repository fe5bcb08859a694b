/** A short way to write fused steps in tests. Levels are worked out from the arguments. */
import type {
  Access,
  BinaryExprOp,
  DType,
  Expr,
  FusedStep,
  Level,
  ReduceKind,
  ScalarType,
  Store,
  UnaryExprOp,
} from '@tarazed/tensor'
import { scalarTypeOf } from '@tarazed/tensor'

const COMPARISONS = new Set(['eq', 'ne', 'lt', 'le'])

export class StepBuilder {
  readonly exprs: Expr[] = []
  readonly stores: Store[] = []
  readonly operands: number[] = []
  readonly params: number[] = []
  phases = 0

  constructor(
    readonly outer: readonly number[],
    readonly inner: number,
  ) {}

  step(label = 'test'): FusedStep {
    const { outer, inner, exprs, phases, stores, operands, params } = this
    return { kind: 'fused', label, outer, inner, exprs, phases, stores, operands, params }
  }

  #add(expr: Expr): number {
    this.exprs.push(expr)
    return this.exprs.length - 1
  }

  #level(ids: readonly number[]): Level {
    return ids.some((id) => this.exprs[id].level === 'element') ? 'element' : 'row'
  }

  operand(slot: number): number {
    const known = this.operands.indexOf(slot)
    return known >= 0 ? known : this.operands.push(slot) - 1
  }

  constant(type: ScalarType, value: number): number {
    return this.#add({ op: 'const', type, level: 'row', value })
  }

  param(type: ScalarType, position: number): number {
    return this.#add({ op: 'param', type, level: 'row', param: this.params.push(position) - 1 })
  }

  index(axis: number): number {
    return this.#add({ op: 'index', type: 'i32', level: axis === this.outer.length ? 'element' : 'row', axis })
  }

  load(slot: number, dtype: DType, access: Access, guard?: number): number {
    const inner = access.strides[this.outer.length] !== 0
    const terms = [...access.gathered.map((term) => term.expr), ...(guard === undefined ? [] : [guard])]
    const level = inner ? 'element' : this.#level(terms)
    return this.#add({
      op: 'load',
      type: scalarTypeOf(dtype),
      level,
      operand: this.operand(slot),
      dtype,
      access,
      guard,
    })
  }

  unary(op: UnaryExprOp, a: number, type: ScalarType = this.exprs[a].type): number {
    return this.#add({ op, type, level: this.#level([a]), args: [a] })
  }

  binary(op: BinaryExprOp, a: number, b: number): number {
    const type = COMPARISONS.has(op) ? 'bool' : this.exprs[a].type
    return this.#add({ op, type, level: this.#level([a, b]), args: [a, b] })
  }

  select(condition: number, a: number, b: number): number {
    return this.#add({
      op: 'select',
      type: this.exprs[a].type,
      level: this.#level([condition, a, b]),
      args: [condition, a, b],
    })
  }

  fma(a: number, b: number, c: number): number {
    return this.#add({ op: 'fma', type: 'f32', level: this.#level([a, b, c]), args: [a, b, c] })
  }

  round(to: 'f16' | 'bf16' | 'i8' | 'u8', a: number): number {
    return this.#add({ op: 'round', type: this.exprs[a].type, level: this.#level([a]), to, args: [a] })
  }

  reduce(kind: ReduceKind, arg: number, phase: number): number {
    this.phases = Math.max(this.phases, phase + 1)
    const type = kind.startsWith('arg') ? 'i32' : this.exprs[arg].type
    return this.#add({ op: 'reduce', type, level: 'row', kind, arg, phase })
  }

  store(slot: number, dtype: DType, access: Access, value: number, level: Level = 'element'): void {
    this.stores.push({ operand: this.operand(slot), dtype, access, value, level })
  }
}

/** An access without gathered terms. */
export function affine(strides: readonly number[], offset = 0): Access {
  return { offset, strides, gathered: [] }
}
