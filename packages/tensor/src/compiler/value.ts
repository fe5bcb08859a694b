/**
 * The compiler's own graph: hash-consed values without user handles. Equal computations are one value (CSE),
 * identities are gone, every value has one result (routines are a `call` with `result` values).
 */
import type { DType } from '../dtype.js'
import type { PrimitiveAttrs, PrimitiveName, SubGraph, TensorSpec } from '../graph/primitive.js'
import type { Tensor } from '../graph/tensor.js'

/** Primitives of the graph that survive into the compiler, and the ones that the compiler adds. */
export type ValueOp = PrimitiveName | 'input' | 'call' | 'result' | 'identity'

export interface Value {
  readonly id: number
  readonly op: ValueOp
  readonly inputs: readonly Value[]
  /** Attributes of the primitive; `input`: InputAttrs, `call`: CallAttrs, `result`: ResultAttrs. */
  readonly attrs: unknown
  readonly shape: readonly number[]
  readonly dtype: DType
  /** Names of operators and call site, for `explain` and profiles. */
  readonly label: string
  /** Values that read this one, in order of creation; filled by `ValueGraph.finish`. */
  readonly users: Value[]
}

export interface InputAttrs {
  readonly index: number
}

/** A routine or a loop: `name` is the primitive's. */
export interface CallAttrs {
  readonly primitive: PrimitiveName
  readonly attrs: unknown
  readonly outputs: readonly TensorSpec[]
  /** `scan`: the lowered body. */
  readonly body?: LoweredBody
}

export interface ResultAttrs {
  readonly index: number
}

/** A scan body as values of a graph of its own. */
export interface LoweredBody {
  readonly graph: ValueGraph
  readonly source: SubGraph
}

export function attrsOf<Op extends PrimitiveName>(value: Value, op: Op): PrimitiveAttrs[Op] {
  void op
  return value.attrs as PrimitiveAttrs[Op]
}

/** Values of one program, its inputs (tensors bound at run time) and outputs. */
export class ValueGraph {
  readonly values: Value[] = []
  readonly inputs: Value[] = []
  readonly outputs: Value[] = []
  /** Run-time scalar parameters, in order: the tensors of `scalar` nodes when they are not constants. */
  readonly params: { readonly dtype: DType }[] = []
  #table = new Map<string, Value>()

  /** The value of `op` on `inputs`; an equal one made before is returned. `unique` values are never merged. */
  make(op: ValueOp, inputs: readonly Value[], attrs: unknown, spec: TensorSpec, label: string, unique = false): Value {
    const key = unique ? '' : valueKey(op, inputs, attrs, spec)
    if (!unique) {
      const known = this.#table.get(key)
      if (known !== undefined) return known
    }
    const value: Value = {
      id: this.values.length,
      op,
      inputs,
      attrs,
      shape: spec.shape,
      dtype: spec.dtype,
      label,
      users: [],
    }
    this.values.push(value)
    if (!unique) this.#table.set(key, value)
    return value
  }

  input(spec: TensorSpec): Value {
    const value = this.make('input', [], { index: this.inputs.length } satisfies InputAttrs, spec, 'input', true)
    this.inputs.push(value)
    return value
  }

  /** Drops values that no output needs and fills `users`. */
  finish(outputs: readonly Value[]): void {
    const needed = new Uint8Array(this.values.length)
    const stack = [...outputs]
    while (stack.length > 0) {
      const value = stack.pop() as Value
      if (needed[value.id] === 1) continue
      needed[value.id] = 1
      stack.push(...value.inputs)
    }
    for (const value of this.values) {
      if (needed[value.id] === 0) continue
      for (const input of value.inputs) if (input.users[input.users.length - 1] !== value) input.users.push(value)
    }
    this.outputs.push(...outputs)
    this.#table.clear()
    const kept = this.values.filter((value) => needed[value.id] === 1 || value.op === 'input')
    this.values.length = 0
    for (const value of kept) this.values.push(value)
  }
}

function valueKey(op: ValueOp, inputs: readonly Value[], attrs: unknown, spec: TensorSpec): string {
  let key = `${op}|${spec.dtype}|${spec.shape.join(',')}|`
  for (const input of inputs) key += `${input.id},`
  return `${key}|${attrsKey(attrs)}`
}

/** JSON with -0, NaN and infinities kept apart. */
export function attrsKey(attrs: unknown): string {
  if (isEmpty(attrs)) return ''
  return JSON.stringify(attrs, (_name, value: unknown) =>
    typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
      ? `#${Object.is(value, -0) ? '-0' : String(value)}`
      : value,
  )
}

function isEmpty(attrs: unknown): boolean {
  for (const _ in attrs as object) return false
  return true
}

/** Tensors of a graph in topological order (nodes by id), stopping at tensors that have values. Iterative: graphs may be deep. */
export function collectNodes(outputs: readonly Tensor[]): NonNullable<Tensor['node']>[] {
  const seen = new Map<number, NonNullable<Tensor['node']>>()
  const stack = [...outputs]
  while (stack.length > 0) {
    const tensor = stack.pop() as Tensor
    const node = tensor.node
    if (node === null || seen.has(node.id)) continue
    seen.set(node.id, node)
    for (const input of node.inputs) stack.push(input)
  }
  return [...seen.values()].sort((a, b) => a.id - b.id)
}
