/**
 * Tensors -> values: drops identities, turns routines into calls, expands what the backend lacks into bodies of
 * primitives, and brings reductions into the one form that the fuser knows (one axis, not too long).
 */
import { InternalError, TracedValueError } from '../errors.js'
import {
  isPointwise,
  type PrimitiveAttrs,
  type PrimitiveName,
  type ReduceName,
  type TensorSpec,
} from '../graph/primitive.js'
import { placeholder } from '../graph/primitives.js'
import type { Node, Tensor } from '../graph/tensor.js'
import { primitiveBodies } from '../ops/bodies.js'
import type { BackendCapabilities } from '../program/backend.js'
import type { RoutineName } from '../program/ir.js'
import { sameShape, showShape, sizeOf } from '../shape.js'
import { collectNodes, ValueGraph, type CallAttrs, type ResultAttrs, type Value } from './value.js'

export interface BuildOptions {
  readonly capabilities: BackendCapabilities
  /** `constant` inside `compile`; `param`: numbers become run-time parameters so that other values share the program. */
  readonly scalars: 'constant' | 'param'
}

export interface BuiltGraph {
  readonly graph: ValueGraph
  /** Tensors with values that the program reads, one for every input value after the placeholders. */
  readonly captured: readonly Tensor[]
  /** The values of `param` scalars in order. */
  readonly paramValues: readonly number[]
}

/** Sums and products longer than this are done in two steps, so that they are accurate and can use threads. */
const LONG_REDUCTION = 65_536
const LONG_REDUCTION_BLOCK = 4_096

/**
 * Builds the value graph of `outputs`. Placeholders become inputs 0 … in the order given; tensors that have a value
 * become further inputs.
 * @throws TracedValueError when a placeholder of a running transform is reached
 */
export function buildValues(
  outputs: readonly Tensor[],
  placeholders: readonly Tensor[],
  options: BuildOptions,
): BuiltGraph {
  const builder = new Builder(options)
  for (const tensor of placeholders) builder.bind(tensor, builder.graph.input(tensor))
  const results = builder.run(outputs)
  builder.graph.finish(distinctOutputs(builder.graph, results))
  return { graph: builder.graph, captured: builder.captured, paramValues: builder.paramValues }
}

/** An output that is an input, or the same value as another output, gets a value (a buffer) of its own. */
function distinctOutputs(graph: ValueGraph, outputs: readonly Value[]): Value[] {
  const taken = new Set<Value>()
  return outputs.map((value) => {
    const own =
      taken.has(value) || value.op === 'input' ? graph.make('identity', [value], {}, value, 'copy', true) : value
    taken.add(own)
    return own
  })
}

class Builder {
  readonly graph = new ValueGraph()
  readonly captured: Tensor[] = []
  readonly paramValues: number[] = []
  readonly #options: BuildOptions
  /** Per node: the values of its outputs. */
  readonly #nodes = new Map<number, readonly Value[]>()
  /** Tensors without a node. */
  readonly #leaves = new Map<Tensor, Value>()

  /** Inside a body numbers follow from the attributes, which are part of the key, so they are constants. */
  #expanding = 0

  constructor(options: BuildOptions) {
    this.#options = options
  }

  bind(tensor: Tensor, value: Value): void {
    if (tensor.node === null) this.#leaves.set(tensor, value)
    else this.#nodes.set(tensor.node.id, [value])
  }

  run(outputs: readonly Tensor[]): Value[] {
    for (const node of collectNodes(outputs)) {
      if (!this.#nodes.has(node.id)) this.#nodes.set(node.id, this.#lower(node))
    }
    return outputs.map((tensor) => this.#valueOf(tensor))
  }

  #valueOf(tensor: Tensor): Value {
    if (tensor.node !== null) return (this.#nodes.get(tensor.node.id) as readonly Value[])[tensor.output]
    let value = this.#leaves.get(tensor)
    if (value === undefined) {
      value = this.graph.input(tensor)
      this.#leaves.set(tensor, value)
      this.captured.push(tensor)
    }
    return value
  }

  #lower(node: Node): readonly Value[] {
    const inputs = node.inputs.map((tensor) => this.#valueOf(tensor))
    const spec = node.outputs[0]
    if (node.op !== 'placeholder' && node.outputs.every((output) => sizeOf(output.shape) === 0))
      return node.outputs.map((output) => this.#empty(output))
    const label = node.site === undefined ? node.op : `${node.op} (${node.site})`
    switch (node.op) {
      case 'placeholder':
        throw new TracedValueError(
          `evaluate: a placeholder of shape ${showShape(spec.shape)} has no value; values cannot be read inside grad, vmap or compile: return the tensor and read it outside`,
        )
      case 'alias':
      case 'stopGradient':
        return [inputs[0]]
      case 'custom': {
        const { operands } = node.attrs as PrimitiveAttrs['custom']
        return inputs.slice(operands)
      }
      case 'barrier':
        return [this.graph.make('barrier', [inputs[0]], node.attrs, spec, label)]
      case 'scalar':
        return [this.#scalar((node.attrs as PrimitiveAttrs['scalar']).value, spec)]
      case 'reduce':
        return [
          this.#reduce(
            inputs[0],
            (node.attrs as PrimitiveAttrs['reduce']).kind,
            (node.attrs as PrimitiveAttrs['reduce']).axes,
            label,
          ),
        ]
      case 'scan':
        return this.#scan(node as unknown as Node<'scan'>, inputs, label)
      default:
        if (isRoutine(node.op)) return this.#routine(node, inputs, label)
        return [simplify(this.graph, node.op, inputs, node.attrs, spec, label)]
    }
  }

  #scalar(value: number, spec: TensorSpec): Value {
    if (this.#options.scalars === 'constant' || this.#expanding > 0)
      return this.graph.make('scalar', [], { value }, spec, 'scalar')
    const index = this.paramValues.length
    this.paramValues.push(value)
    this.graph.params.push({ dtype: spec.dtype })
    return this.graph.make('scalar', [], { param: index }, spec, 'scalar')
  }

  /** Adjacent axes are merged by a reshape, others are reduced one after the other, the last first. */
  #reduce(x: Value, kind: ReduceName, axes: readonly number[], label: string): Value {
    let value = x
    let end = axes.length
    while (end > 0) {
      let begin = end - 1
      while (begin > 0 && axes[begin - 1] === axes[begin] - 1) begin--
      value = this.#reduceRun(value, kind, axes[begin], axes[end - 1], label)
      end = begin
    }
    return value
  }

  #reduceRun(x: Value, kind: ReduceName, first: number, last: number, label: string): Value {
    const n = sizeOf(x.shape.slice(first, last + 1))
    const before = x.shape.slice(0, first)
    const after = x.shape.slice(last + 1)
    if (n === 1 && kind !== 'argMax' && kind !== 'argMin') return this.#reshape(x, [...before, ...after], label)
    const merged = this.#reshape(x, [...before, n, ...after], label)
    if (n > LONG_REDUCTION && kind !== 'argMax' && kind !== 'argMin')
      return this.#longReduce(merged, kind, first, n, label)
    return this.#reduceAxis(merged, kind, first, label)
  }

  #reduceAxis(x: Value, kind: ReduceName, axis: number, label: string): Value {
    const shape = x.shape.filter((_, k) => k !== axis)
    const dtype = kind === 'argMax' || kind === 'argMin' ? 'i32' : x.dtype
    if (sizeOf(shape) === 0) return this.#empty({ shape, dtype })
    return this.graph.make('reduce', [x], { kind, axes: [axis] }, { shape, dtype }, label)
  }

  /** Full blocks first, then their results and the rest: [n] -> [n/4096, 4096] -> [n/4096 + 1]. The split depends on n alone. */
  #longReduce(x: Value, kind: ReduceName, axis: number, n: number, label: string): Value {
    const blocks = Math.floor(n / LONG_REDUCTION_BLOCK)
    const covered = blocks * LONG_REDUCTION_BLOCK
    const before = x.shape.slice(0, axis)
    const after = x.shape.slice(axis + 1)
    const head = this.#slice(x, axis, 0, covered, label)
    const blocked = this.#reshape(head, [...before, blocks, LONG_REDUCTION_BLOCK, ...after], label)
    const partial = this.#reduceAxis(blocked, kind, axis + 1, label)
    if (covered === n) return this.#reduceRun(partial, kind, axis, axis, label)
    const rest = this.#reduceAxis(this.#slice(x, axis, covered, n - covered, label), kind, axis, label)
    const total = this.#reduceRun(partial, kind, axis, axis, label)
    const join = { sum: 'add', prod: 'mul', max: 'maximum', min: 'minimum', any: 'or', all: 'and' } as const
    return this.graph.make(join[kind as keyof typeof join], [total, rest], {}, total, label)
  }

  #reshape(x: Value, shape: readonly number[], label: string): Value {
    const source = x.op === 'reshape' ? x.inputs[0] : x
    return remake(this.graph, source, { shape, dtype: x.dtype }, label)
  }

  #slice(x: Value, axis: number, start: number, size: number, label: string): Value {
    if (start === 0 && size === x.shape[axis]) return x
    const shape = x.shape.map((n, k) => (k === axis ? size : n))
    const attrs = { start: x.shape.map((_, k) => (k === axis ? start : 0)), size: shape, step: x.shape.map(() => 1) }
    return this.graph.make('slice', [x], attrs, { shape, dtype: x.dtype }, label)
  }

  #routine(node: Node, inputs: readonly Value[], label: string): readonly Value[] {
    if (!this.#options.capabilities.routines.includes(node.op as RoutineName)) return this.#expand(node, label)
    return this.#call(node.op, inputs, node.attrs, node.outputs, label)
  }

  /** A value without elements: nothing has to run for it. */
  #empty(spec: TensorSpec): Value {
    const zero = this.graph.make('scalar', [], { value: 0 }, { shape: [], dtype: spec.dtype }, 'empty')
    return this.graph.make('broadcastTo', [zero], { shape: spec.shape }, spec, 'empty')
  }

  #call(
    primitive: PrimitiveName,
    inputs: readonly Value[],
    attrs: unknown,
    outputs: readonly TensorSpec[],
    label: string,
    body?: CallAttrs['body'],
  ): Value[] {
    const callAttrs: CallAttrs =
      body === undefined ? { primitive, attrs, outputs } : { primitive, attrs, outputs, body }
    const call = this.graph.make('call', inputs, callAttrs, { shape: [], dtype: 'u8' }, label, body !== undefined)
    return outputs.map((spec, index) => this.graph.make('result', [call], { index } satisfies ResultAttrs, spec, label))
  }

  /** Traces the body of a routine on placeholders bound to the operands' values. */
  #expand(node: Node, label: string): readonly Value[] {
    const body = primitiveBodies[node.op]
    if (body === undefined)
      throw new InternalError(`${label}: the backend has no routine "${node.op}" and it has no body`)
    const operands = node.inputs.map((tensor) => placeholder(tensor.shape, tensor.dtype))
    operands.forEach((operand, k) => this.bind(operand, this.#valueOf(node.inputs[k])))
    this.#expanding++
    const results = this.run(body(operands, node.attrs as never))
    this.#expanding--
    return results
  }

  #scan(node: Node<'scan'>, inputs: readonly Value[], label: string): readonly Value[] {
    const { attrs } = node
    if (attrs.trips === 0)
      return node.outputs.map((spec, k) => (k < attrs.carries ? inputs[attrs.constants + k] : this.#empty(spec)))
    const body = new Builder({ ...this.#options, scalars: 'constant' })
    for (const tensor of attrs.body.placeholders) body.bind(tensor, body.graph.input(tensor))
    const results = body.run(attrs.body.outputs)
    if (body.captured.length > 0) throw new InternalError('scan: the body captures tensors that are not operands')
    body.graph.finish(distinctOutputs(body.graph, results))
    const { constants, carries, trips, reverse, bounded } = attrs
    const plain = { constants, carries, trips, reverse, bounded }
    return this.#call('scan', inputs, plain, node.outputs, label, { graph: body.graph, source: attrs.body })
  }
}

const ROUTINES: ReadonlySet<PrimitiveName> = new Set<PrimitiveName>([
  'matmul',
  'groupedMatmul',
  'quantMatmul',
  'groupedQuantMatmul',
  'conv',
  'attention',
  'attentionGrad',
  'scatterAdd',
  'sort',
  'cumulative',
])

function isRoutine(op: PrimitiveName): boolean {
  return ROUTINES.has(op)
}

/** Local rewrites that keep every bit. */
function simplify(
  graph: ValueGraph,
  op: PrimitiveName,
  inputs: readonly Value[],
  attrs: unknown,
  spec: TensorSpec,
  label: string,
): Value {
  const [a, b] = inputs
  if ((op === 'mul' && isConstant(b, 1)) || (op === 'div' && isConstant(b, 1))) return a
  if (op === 'mul' && isConstant(a, 1)) return b
  if (op === 'reshape' && a.op === 'reshape') return remake(graph, a.inputs[0], spec, label)
  if (op === 'not' && a.op === 'not') return a.inputs[0]
  if (isPointwise(op) && spec.shape.length > 0 && inputs.every((input) => isBroadcastScalar(input)))
    return broadcastOf(
      graph,
      graph.make(
        op,
        inputs.map((input) => input.inputs[0]),
        attrs,
        { shape: [], dtype: spec.dtype },
        label,
      ),
      spec,
      label,
    )
  return graph.make(op, inputs, attrs, spec, label)
}

function remake(graph: ValueGraph, x: Value, spec: TensorSpec, label: string): Value {
  return sameShape(x.shape, spec.shape) ? x : graph.make('reshape', [x], { shape: spec.shape }, spec, label)
}

function broadcastOf(graph: ValueGraph, x: Value, spec: TensorSpec, label: string): Value {
  return graph.make('broadcastTo', [x], { shape: spec.shape }, spec, label)
}

function isBroadcastScalar(value: Value): boolean {
  return value.op === 'broadcastTo' && value.inputs[0].shape.length === 0
}

function isConstant(value: Value, constant: number): boolean {
  const source = isBroadcastScalar(value) ? value.inputs[0] : value
  return source.op === 'scalar' && (source.attrs as { value?: number }).value === constant
}
