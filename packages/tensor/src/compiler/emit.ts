/** Group -> FusedStep: writes the expressions of the values that a group computes. */
import { isFloat, scalarTypeOf, type DType, type ScalarType } from '../dtype.js'
import { InternalError } from '../errors.js'
import type { ReduceName } from '../graph/primitive.js'
import type { Access, BinaryExprOp, Expr, FusedStep, Level, ReduceKind, Store, UnaryExprOp } from '../program/ir.js'
import { concatParts, paddedGuards, startDim, type Group } from './group.js'
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

/** Distributes over the union instead of intersecting it away. */
type ExprBody = Expr extends infer E ? (E extends Expr ? Omit<E, 'level'> : never) : never

class Emitter {
  readonly #group: Group
  readonly #domain: Domain
  readonly #context: EmitContext
  readonly #exprs: Expr[] = []
  readonly #table = new Map<string, number>()
  readonly #values = new Map<string, number>()
  readonly #operands: number[] = []
  readonly #params: number[] = []
  readonly #phaseOf: number[] = []
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
      exprs: this.#exprs,
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
    if (guard === null) return this.#add(base)
    if (guard === 'never') return this.#constant(0, base.type)
    return this.#add({ ...base, guard })
  }

  #compute(value: Value, instance: Instance): number {
    const type = scalarTypeOf(value.dtype)
    const operands = this.#group.operands(value, instance)
    const arg = (k: number): number => this.#value(value.inputs[k], operands[k])
    switch (value.op) {
      case 'scalar': {
        const { value: constant, param } = value.attrs as { value?: number; param?: number }
        if (param === undefined) return this.#constant(constant as number, type, value.dtype)
        return this.#add({ op: 'param', type, param: this.#param(param) })
      }
      case 'iota': {
        const index = this.#dim((instance.map as readonly Dim[])[0])
        if (type === 'i32') return index
        return this.#add({ op: type === 'f32' ? 'toF32' : 'toU32', type, args: [index] })
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
        return this.#pad(value, instance, arg(0))
      case 'concat':
        return this.#concat(value, instance, operands)
      case 'gather': {
        const guard = this.#guards(operands[0].guards.slice(instance.guards.length))
        if (guard === 'never') return this.#constant(isFloat(value.dtype) ? NaN : 0, type)
        const x = arg(0)
        return guard === null ? x : this.#select(type, guard, x, this.#constant(isFloat(value.dtype) ? NaN : 0, type))
      }
      case 'updateSlice': {
        const guard = this.#guards(operands[1].guards.slice(instance.guards.length))
        if (guard === 'never') return arg(0)
        return guard === null ? arg(1) : this.#select(type, guard, arg(1), arg(0))
      }
      case 'reduce':
        return this.#reduce(value, arg(0))
      case 'cast':
        return this.#cast(arg(0), value.inputs[0].dtype, value.dtype)
      case 'bitcast':
        return this.#add({ op: bitsOp(type), type, args: [arg(0)] })
      case 'select':
        return this.#select(type, arg(0), arg(1), arg(2))
      case 'threefry':
        return this.#threefry(attrsOf(value, 'threefry').word, [arg(0), arg(1), arg(2), arg(3)])
      case 'sign':
        return this.#sign(arg(0), value.dtype)
      default:
        return this.#rounded(
          this.#arithmetic(
            value,
            value.inputs.map((_, k) => arg(k)),
            scalarTypeOf(value.inputs[0].dtype),
            type,
          ),
          value.dtype,
        )
    }
  }

  #arithmetic(value: Value, args: readonly number[], operandType: ScalarType, type: ScalarType): number {
    if (operandType === 'bool') return this.#boolean(value.op, args)
    const unary = UNARY[value.op]
    if (unary !== undefined) {
      if (value.op === 'neg' && type === 'u32')
        return this.#add({ op: 'sub', type, args: [this.#constant(0, 'u32'), args[0]] })
      if (type === 'u32' && value.op === 'abs') return args[0]
      return this.#add({ op: unary, type, args: [args[0]] })
    }
    const binary = BINARY[value.op]
    if (binary === undefined) throw new InternalError(`emit: no expression for "${value.op}"`)
    return this.#add({ op: binary, type, args: [args[0], args[1]] })
  }

  /** Comparisons of truth values by logic: false < true. */
  #boolean(op: Value['op'], args: readonly number[]): number {
    const [a, b] = args
    const not = (x: number): number => this.#add({ op: 'not', type: 'bool', args: [x] })
    const join = (name: 'and' | 'or' | 'xor', x: number, y: number): number =>
      this.#add({ op: name, type: 'bool', args: [x, y] })
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

  #sign(x: number, dtype: DType): number {
    const type = scalarTypeOf(dtype)
    const zero = this.#constant(0, type)
    const one = this.#constant(1, type)
    const positive = this.#add({ op: 'lt', type: 'bool', args: [zero, x] })
    if (type === 'u32') return this.#select(type, positive, one, zero)
    const negative = this.#add({ op: 'lt', type: 'bool', args: [x, zero] })
    // x itself where it is neither: a zero keeps its sign and NaN stays NaN.
    return this.#select(type, positive, one, this.#select(type, negative, this.#constant(-1, type), x))
  }

  #reduce(value: Value, arg: number): number {
    const { kind } = attrsOf(value, 'reduce')
    const phase = this.#phaseOf[arg] ?? 0
    const type = scalarTypeOf(value.dtype)
    this.#phases = Math.max(this.#phases, phase + 1)
    const id = this.#add({ op: 'reduce', type, kind: REDUCE[kind], arg, phase })
    this.#phaseOf[id] = phase + 1
    return this.#rounded(id, value.dtype)
  }

  #pad(value: Value, instance: Instance, x: number): number {
    const fill = attrsOf(value, 'pad').value
    const type = scalarTypeOf(value.dtype)
    const conditions = paddedGuards(this.#domain, value, instance.map as readonly Dim[]).flatMap(
      (padded) => padded.conditions,
    )
    const guard = this.#guards(conditions)
    if (guard === 'never') return this.#constant(fill, type, value.dtype)
    // A guarded load is 0 already where the guard fails.
    const readsZero = this.#exprs[x].op === 'load' && Object.is(fill, 0)
    return guard === null || readsZero ? x : this.#select(type, guard, x, this.#constant(fill, type, value.dtype))
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
      const before = this.#add({ op: 'lt', type: 'bool', args: [this.#dim(dim), this.#constant(end, 'i32')] })
      result = this.#select(type, before, this.#partValue(value, parts[k].part, parts[k].offset, operands), result)
    }
    return result
  }

  /** The same value may be a part more than once, so parts are told apart by their offset. */
  #partValue(value: Value, part: Value, offset: number, operands: readonly Instance[]): number {
    const all = concatParts(value, attrsOf(value, 'concat').axis)
    const k = all.findIndex((candidate) => candidate.part === part && candidate.offset === offset)
    return this.#value(part, operands[k])
  }

  #cast(x: number, from: DType, to: DType): number {
    const source = scalarTypeOf(from)
    const target = scalarTypeOf(to)
    if (to === 'bool') return this.#add({ op: 'toBool', type: 'bool', args: [x] })
    if (isFloat(to)) return this.#rounded(source === 'f32' ? x : this.#add({ op: 'toF32', type: 'f32', args: [x] }), to)
    if (source === 'f32' && (to === 'i8' || to === 'u8')) return this.#clampedNarrow(x, to)
    const widened =
      source === target ? x : this.#add({ op: target === 'i32' ? 'toI32' : 'toU32', type: target, args: [x] })
    return this.#rounded(widened, to)
  }

  /** Float -> i8, u8: cut toward zero and clamped, NaN to 0. */
  #clampedNarrow(x: number, to: 'i8' | 'u8'): number {
    const cut = this.#add({ op: 'toI32', type: 'i32', args: [x] })
    const [low, high] = to === 'i8' ? [-128, 127] : [0, 255]
    const above = this.#add({ op: 'max', type: 'i32', args: [cut, this.#constant(low, 'i32')] })
    const clamped = this.#add({ op: 'min', type: 'i32', args: [above, this.#constant(high, 'i32')] })
    return to === 'i8' ? clamped : this.#add({ op: 'toU32', type: 'u32', args: [clamped] })
  }

  /** Narrow dtypes are rounded or wrapped after every operator, fused or not. */
  #rounded(x: number, dtype: DType): number {
    if (dtype === 'f16' || dtype === 'bf16' || dtype === 'i8' || dtype === 'u8')
      return this.#add({ op: 'round', type: scalarTypeOf(dtype), to: dtype, args: [x] })
    return x
  }

  /** Threefry-2x32, 20 rounds (Salmon et al., SC 2011). Both words share all expressions. */
  #threefry(word: 0 | 1, args: readonly [number, number, number, number]): number {
    const u32 = (op: BinaryExprOp, a: number, b: number): number => this.#add({ op, type: 'u32', args: [a, b] })
    const constant = (c: number): number => this.#constant(c, 'u32')
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

  #select(type: ScalarType, cond: number, a: number, b: number): number {
    if (type === 'bool') {
      const and = (x: number, y: number): number => this.#add({ op: 'and', type, args: [x, y] })
      const not = this.#add({ op: 'not', type, args: [cond] })
      return this.#add({ op: 'or', type, args: [and(cond, a), and(not, b)] })
    }
    return a === b ? a : this.#add({ op: 'select', type, args: [cond, a, b] })
  }

  #constant(value: number, type: ScalarType, dtype?: DType): number {
    const exact =
      type === 'f32'
        ? this.#context.float64
          ? value
          : Math.fround(value)
        : type === 'i32'
          ? value | 0
          : type === 'u32'
            ? value >>> 0
            : value !== 0
              ? 1
              : 0
    const expr = this.#add({ op: 'const', type, value: exact })
    return dtype === 'f16' || dtype === 'bf16' ? this.#rounded(expr, dtype) : expr
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
      if (one !== null) all = all === null ? one : this.#add({ op: 'and', type: 'bool', args: [all, one] })
    }
    return all
  }

  #guard(guard: Guard): number | null | 'never' {
    const { dim } = guard
    if (guard.kind === 'multiple') {
      const rest = this.#add({ op: 'rem', type: 'i32', args: [this.#dim(dim), this.#constant(guard.by, 'i32')] })
      return this.#add({ op: 'eq', type: 'bool', args: [rest, this.#constant(0, 'i32')] })
    }
    if (guard.extent === 0) return 'never'
    const { min, max } = dim.dynamic.length === 0 ? this.#domain.range(dim) : { min: -Infinity, max: Infinity }
    if (max < 0 || min >= guard.extent) return 'never'
    const index = this.#dim(dim)
    const below = min >= 0 ? null : this.#add({ op: 'le', type: 'bool', args: [this.#constant(0, 'i32'), index] })
    const above =
      max < guard.extent
        ? null
        : this.#add({ op: 'lt', type: 'bool', args: [index, this.#constant(guard.extent, 'i32')] })
    if (below !== null && above !== null) return this.#add({ op: 'and', type: 'bool', args: [below, above] })
    return below ?? above
  }

  /** An index as an i32 expression. */
  #dim(dim: Dim): number {
    let total: number | null = null
    const plus = (term: number): void => {
      total = total === null ? term : this.#add({ op: 'add', type: 'i32', args: [total, term] })
    }
    dim.coefs.forEach((coef, axis) => {
      if (coef !== 0 && this.#domain.extents[axis] > 1) plus(this.#times(this.#axis(axis), coef))
    })
    for (const term of dim.dynamic) plus(this.#times(this.#dynamic(term), term.scale))
    if (dim.offset !== 0 || total === null) plus(this.#constant(dim.offset, 'i32'))
    return total as unknown as number
  }

  #axis(axis: number): number {
    const position = axis === this.#inner ? this.#outer.length : this.#outer.indexOf(axis)
    return this.#add({ op: 'index', type: 'i32', axis: position })
  }

  #times(x: number, factor: number): number {
    return factor === 1 ? x : this.#add({ op: 'mul', type: 'i32', args: [x, this.#constant(factor, 'i32')] })
  }

  #dynamic(term: DynamicTerm): number {
    if (term.kind !== 'value') {
      const op = term.kind === 'quotient' ? 'div' : 'rem'
      return this.#add({ op, type: 'i32', args: [this.#dim(term.of), this.#constant(term.by, 'i32')] })
    }
    const value = this.#value(term.value, term.instance)
    if (term.clamp === undefined) return value
    const above = this.#add({ op: 'max', type: 'i32', args: [value, this.#constant(0, 'i32')] })
    return this.#add({ op: 'min', type: 'i32', args: [above, this.#constant(term.clamp, 'i32')] })
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

  /** Appends an expression, or finds an equal one. */
  #add(body: ExprBody): number {
    const level = this.#levelOf(body)
    const key = exprKey(body)
    const known = this.#table.get(key)
    if (known !== undefined) return known
    const id = this.#exprs.length
    this.#exprs.push({ ...body, level } as Expr)
    this.#phaseOf[id] = Math.max(0, ...argumentsOf(body as Expr).map((arg) => this.#phaseOf[arg]))
    this.#table.set(key, id)
    return id
  }

  #levelOf(body: ExprBody): Level {
    if (body.op === 'reduce') return 'row'
    if (body.op === 'index') return body.axis === this.#outer.length && this.#inner >= 0 ? 'element' : 'row'
    if (body.op === 'load' && body.access.strides[body.access.strides.length - 1] !== 0) return 'element'
    return argumentsOf(body as Expr).some((arg) => this.#exprs[arg].level === 'element') ? 'element' : 'row'
  }
}

function positionIn(list: number[], item: number): number {
  const at = list.indexOf(item)
  return at >= 0 ? at : list.push(item) - 1
}

/** Ids of the expressions that an expression reads. */
export function argumentsOf(expr: Expr): readonly number[] {
  switch (expr.op) {
    case 'const':
    case 'param':
    case 'index':
      return []
    case 'load': {
      const gathered = expr.access.gathered.map((term) => term.expr)
      return expr.guard === undefined ? gathered : [...gathered, expr.guard]
    }
    case 'reduce':
      return [expr.arg]
    default:
      return expr.args
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

function labelOf(group: Group): string {
  const names: string[] = []
  for (const value of group.placed) if (!QUIET.has(value.op) && !names.includes(value.label)) names.push(value.label)
  return names.reverse().join(' ') || [...group.placed].map((value) => value.label)[0] || 'copy'
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
