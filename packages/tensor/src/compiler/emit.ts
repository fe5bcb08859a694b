/** Group -> FusedStep: writes the expressions of the values that a group computes. */
import { isFloat, scalarTypeOf, type ScalarType } from '../dtype.js'
import type { ReduceName } from '../graph/primitive.js'
import type { Access, FusedStep, Level, ReduceKind, Store } from '../program/ir.js'
import { Expressions } from './expressions.js'
import { concatParts, startDim, type Group } from './group.js'
import { guardKey, type Dim, type Domain, type DynamicTerm, type Guard, type Instance } from './indexMap.js'
import { attrsOf, type Value } from './value.js'

/** What emission has to know about memory. */
export interface EmitContext {
  /** Slot of a stored value. */
  slotOf(value: Value): number
  /** Constants are rounded to f32, except where floats are held as float64. */
  readonly float64: boolean
}

export function emitGroup(group: Group, context: EmitContext): FusedStep {
  return new Emitter(group, context).run()
}

class Emitter {
  readonly #group: Group
  readonly #domain: Domain
  readonly #context: EmitContext
  readonly #expressions: Expressions
  readonly #values = new Map<string, number>()
  readonly #operands: number[] = []
  readonly #params: number[] = []
  /** Axes of the step: outer ones in domain order, then the inner one (-1: the step has a single element a row). */
  readonly #outer: readonly number[]
  readonly #inner: number
  /** Row stores exist only where a reduction made the inner axis. */
  readonly #hasRows: boolean
  #phases = 0

  constructor(group: Group, context: EmitContext) {
    this.#group = group
    this.#domain = group.domain
    this.#context = context
    this.#hasRows = group.inner >= 0
    const axes = this.#domain.extents.map((_, k) => k)
    this.#inner = this.#hasRows ? group.inner : axes.length - 1
    this.#outer = axes.filter((axis) => axis !== this.#inner)
    this.#expressions = new Expressions(this.#inner < 0 ? -1 : this.#outer.length, context.float64)
  }

  run(): FusedStep {
    const stores = this.#group.roots.map(({ value, instance }) =>
      value === this.#group.update ? this.#storeUpdate(value, instance) : this.#storeRoot(value, instance),
    )
    return {
      kind: 'fused',
      label: labelOf(this.#group),
      outer: this.#outer.map((axis) => this.#domain.extents[axis]),
      inner: this.#inner < 0 ? 1 : this.#domain.extents[this.#inner],
      exprs: this.#expressions.list,
      phases: this.#phases,
      stores,
      operands: this.#operands,
      params: this.#params,
    }
  }

  #storeRoot(value: Value, instance: Instance): Store {
    const linear = instance.linear ?? this.#domain.linear(instance.map as readonly Dim[], value.shape)
    const level: Level = this.#hasRows && linear.coefs[this.#inner] === 0 ? 'row' : 'element'
    return {
      operand: this.#operand(value),
      dtype: value.dtype,
      access: this.#access(linear),
      value: this.#value(value, instance),
      level,
    }
  }

  #storeUpdate(value: Value, instance: Instance): Store {
    const [x, update, ...starts] = value.inputs
    const once: Instance = { map: [], linear: null, guards: [], depth: 0 }
    const dims = (instance.map as readonly Dim[]).map((dim, k) => {
      return this.#domain.sum(dim, startDim(this.#domain, starts[k], once, x.shape[k] - update.shape[k], 1))
    })
    const linear = this.#domain.linear(dims, x.shape)
    return {
      operand: this.#operand(value),
      dtype: value.dtype,
      access: this.#access(linear),
      value: this.#value(update, instance),
      level: 'element',
    }
  }

  /** The expression of a value at an instance. Recursion depth is bounded by the operators in a group. */
  #value(value: Value, instance: Instance): number {
    const key = `${value.id}@${this.#domain.keyOf(instance)}`
    const known = this.#values.get(key)
    if (known !== undefined) return known
    const expr = this.#group.loads.has(value) ? this.#load(value, instance) : this.#compute(value, instance)
    this.#values.set(key, expr)
    return expr
  }

  #load(value: Value, instance: Instance): number {
    const linear = instance.linear ?? this.#domain.linear(instance.map as readonly Dim[], value.shape)
    const guard = this.#guards(instance.guards)
    const base = {
      op: 'load',
      type: scalarTypeOf(value.dtype),
      operand: this.#operand(value),
      dtype: value.dtype,
      access: this.#access(linear),
    } as const
    if (guard === null) return this.#expressions.add(base)
    if (guard === 'never') return this.#expressions.constant(0, base.type)
    return this.#expressions.add({ ...base, guard })
  }

  #compute(value: Value, instance: Instance): number {
    const type = scalarTypeOf(value.dtype)
    const operands = this.#group.operandsOf(value, instance)
    const arg = (k: number): number => this.#value(value.inputs[k], operands[k])
    switch (value.op) {
      case 'scalar': {
        const { value: constant, param } = value.attrs as { value?: number; param?: number }
        if (param === undefined) return this.#expressions.constant(constant as number, type, value.dtype)
        return this.#expressions.add({ op: 'param', type, param: this.#param(param) })
      }
      case 'iota': {
        const index = this.#dim((instance.map as readonly Dim[])[0])
        if (type === 'i32') return index
        return this.#expressions.add({ op: type === 'f32' ? 'toF32' : 'toU32', type, args: [index] })
      }
      case 'identity':
      case 'barrier':
      case 'reshape':
      case 'transpose':
      case 'broadcastTo':
      case 'slice':
      case 'window':
      case 'dynamicSlice':
        return arg(0)
      case 'pad':
        return this.#pad(value, instance, operands[0], arg(0))
      case 'concat':
        return this.#concat(value, instance, operands)
      case 'gather': {
        const guard = this.#guards(operands[0].guards.slice(instance.guards.length))
        if (guard === 'never') return this.#expressions.constant(isFloat(value.dtype) ? NaN : 0, type)
        const x = arg(0)
        return guard === null
          ? x
          : this.#expressions.select(type, guard, x, this.#expressions.constant(isFloat(value.dtype) ? NaN : 0, type))
      }
      case 'updateSlice': {
        const guard = this.#guards(operands[1].guards.slice(instance.guards.length))
        if (guard === 'never') return arg(0)
        return guard === null ? arg(1) : this.#expressions.select(type, guard, arg(1), arg(0))
      }
      case 'reduce':
        return this.#reduce(value, arg(0))
      case 'cast':
        return this.#expressions.cast(arg(0), value.inputs[0].dtype, value.dtype)
      case 'bitcast':
        return this.#expressions.add({ op: bitsOp(type), type, args: [arg(0)] })
      case 'select':
        return this.#expressions.select(type, arg(0), arg(1), arg(2))
      case 'threefry':
        return this.#expressions.threefry(attrsOf(value, 'threefry').word, [arg(0), arg(1), arg(2), arg(3)])
      case 'sign':
        return this.#expressions.sign(arg(0), value.dtype)
      default:
        return this.#expressions.rounded(
          this.#expressions.arithmetic(
            value.op,
            value.inputs.map((_, k) => arg(k)),
            scalarTypeOf(value.inputs[0].dtype),
            type,
          ),
          value.dtype,
        )
    }
  }

  #reduce(value: Value, arg: number): number {
    const { kind } = attrsOf(value, 'reduce')
    const phase = this.#expressions.phaseOf[arg] ?? 0
    const type = scalarTypeOf(value.dtype)
    this.#phases = Math.max(this.#phases, phase + 1)
    const id = this.#expressions.add({ op: 'reduce', type, kind: REDUCE[kind], arg, phase })
    this.#expressions.phaseOf[id] = phase + 1
    return this.#expressions.rounded(id, value.dtype)
  }

  #pad(value: Value, instance: Instance, operand: Instance, x: number): number {
    const fill = attrsOf(value, 'pad').value
    const type = scalarTypeOf(value.dtype)
    const guard = this.#guards(operand.guards.slice(instance.guards.length))
    if (guard === 'never') return this.#expressions.constant(fill, type, value.dtype)
    // A guarded load is 0 already where the guard fails.
    const readsZero = this.#expressions.list[x].op === 'load' && Object.is(fill, 0)
    return guard === null || readsZero
      ? x
      : this.#expressions.select(type, guard, x, this.#expressions.constant(fill, type, value.dtype))
  }

  #concat(value: Value, instance: Instance, operands: readonly Instance[]): number {
    const { axis } = attrsOf(value, 'concat')
    const type = scalarTypeOf(value.dtype)
    const parts = concatParts(value, axis).filter(({ part }) => part.shape[axis] > 0)
    const dim = (instance.map as readonly Dim[])[axis]
    let k = parts.length - 1
    let result = this.#partValue(value, parts[k].part, parts[k].offset, operands)
    for (k--; k >= 0; k--) {
      const end = parts[k].offset + parts[k].part.shape[axis]
      const before = this.#expressions.add({
        op: 'lt',
        type: 'bool',
        args: [this.#dim(dim), this.#expressions.constant(end, 'i32')],
      })
      result = this.#expressions.select(
        type,
        before,
        this.#partValue(value, parts[k].part, parts[k].offset, operands),
        result,
      )
    }
    return result
  }

  /** The same value may be a part more than once, so parts are told apart by their offset. */
  #partValue(value: Value, part: Value, offset: number, operands: readonly Instance[]): number {
    const all = concatParts(value, attrsOf(value, 'concat').axis)
    const k = all.findIndex((candidate) => candidate.part === part && candidate.offset === offset)
    return this.#value(part, operands[k])
  }

  /** All guards together: null when they always hold. */
  #guards(guards: readonly Guard[]): number | null | 'never' {
    let all: number | null = null
    const seen = new Set<string>()
    for (const guard of guards) {
      const key = guardKey(guard)
      if (seen.has(key)) continue
      seen.add(key)
      const one = this.#guard(guard)
      if (one === 'never') return 'never'
      if (one !== null) all = all === null ? one : this.#expressions.add({ op: 'and', type: 'bool', args: [all, one] })
    }
    return all
  }

  #guard(guard: Guard): number | null | 'never' {
    const { dim } = guard
    if (guard.kind === 'multiple') {
      const rest = this.#expressions.add({
        op: 'rem',
        type: 'i32',
        args: [this.#dim(dim), this.#expressions.constant(guard.by, 'i32')],
      })
      return this.#expressions.add({ op: 'eq', type: 'bool', args: [rest, this.#expressions.constant(0, 'i32')] })
    }
    if (guard.extent === 0) return 'never'
    const { min, max } = dim.dynamic.length === 0 ? this.#domain.range(dim) : { min: -Infinity, max: Infinity }
    if (max < 0 || min >= guard.extent) return 'never'
    const index = this.#dim(dim)
    const below =
      min >= 0
        ? null
        : this.#expressions.add({ op: 'le', type: 'bool', args: [this.#expressions.constant(0, 'i32'), index] })
    const above =
      max < guard.extent
        ? null
        : this.#expressions.add({
            op: 'lt',
            type: 'bool',
            args: [index, this.#expressions.constant(guard.extent, 'i32')],
          })
    if (below !== null && above !== null)
      return this.#expressions.add({ op: 'and', type: 'bool', args: [below, above] })
    return below ?? above
  }

  /** An index as an i32 expression. */
  #dim(dim: Dim): number {
    let total: number | null = null
    const plus = (term: number): void => {
      total = total === null ? term : this.#expressions.add({ op: 'add', type: 'i32', args: [total, term] })
    }
    dim.coefs.forEach((coef, axis) => {
      if (coef !== 0 && this.#domain.extents[axis] > 1) plus(this.#times(this.#axis(axis), coef))
    })
    for (const term of dim.dynamic) plus(this.#times(this.#dynamic(term), term.scale))
    if (dim.offset !== 0 || total === null) plus(this.#expressions.constant(dim.offset, 'i32'))
    return total as unknown as number
  }

  #axis(axis: number): number {
    const position = axis === this.#inner ? this.#outer.length : this.#outer.indexOf(axis)
    return this.#expressions.add({ op: 'index', type: 'i32', axis: position })
  }

  #times(x: number, factor: number): number {
    return factor === 1
      ? x
      : this.#expressions.add({ op: 'mul', type: 'i32', args: [x, this.#expressions.constant(factor, 'i32')] })
  }

  #dynamic(term: DynamicTerm): number {
    if (term.kind !== 'value') {
      const op = term.kind === 'quotient' ? 'div' : 'rem'
      return this.#expressions.add({
        op,
        type: 'i32',
        args: [this.#dim(term.of), this.#expressions.constant(term.by, 'i32')],
      })
    }
    const value = this.#value(term.value, term.instance)
    if (term.clamp === undefined) return value
    const above = this.#expressions.add({ op: 'max', type: 'i32', args: [value, this.#expressions.constant(0, 'i32')] })
    return this.#expressions.add({
      op: 'min',
      type: 'i32',
      args: [above, this.#expressions.constant(term.clamp, 'i32')],
    })
  }

  #access(linear: Dim): Access {
    const stride = (axis: number): number => (axis < 0 || this.#domain.extents[axis] <= 1 ? 0 : linear.coefs[axis])
    return {
      offset: linear.offset,
      strides: [...this.#outer.map(stride), stride(this.#inner)],
      gathered: linear.dynamic.map((term) => ({ expr: this.#dynamic(term), stride: term.scale })),
    }
  }

  #operand(value: Value): number {
    return positionIn(this.#operands, this.#context.slotOf(value))
  }

  #param(param: number): number {
    return positionIn(this.#params, param)
  }
}

function positionIn(list: number[], item: number): number {
  const at = list.indexOf(item)
  return at >= 0 ? at : list.push(item) - 1
}

function labelOf(group: Group): string {
  const names = new Set<string>()
  for (const value of group.placed) if (!QUIET.has(value.op)) names.add(value.label)
  if (names.size > 0) return [...names].reverse().join(' ')
  for (const value of group.placed) return value.label
  return 'copy'
}

const QUIET: ReadonlySet<string> = new Set(['scalar', 'broadcastTo', 'reshape', 'iota', 'identity', 'barrier'])

function bitsOp(type: ScalarType): 'bitsToF32' | 'bitsToI32' | 'bitsToU32' {
  return type === 'f32' ? 'bitsToF32' : type === 'i32' ? 'bitsToI32' : 'bitsToU32'
}

const REDUCE: Readonly<Record<ReduceName, ReduceKind>> = {
  sum: 'sum',
  prod: 'prod',
  max: 'max',
  min: 'min',
  any: 'any',
  all: 'all',
  argMax: 'argMax',
  argMin: 'argMin',
}
