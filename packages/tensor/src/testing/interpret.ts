/**
 * A naive evaluator of the lazy graph in plain JavaScript: the oracle that shares no code with the compiler.
 *
 * One function per primitive, straight from its definition; nothing is fused, planned or cached beyond one call.
 */
import { isFloat } from '../dtype.js'
import { InternalError } from '../errors.js'
import {
  isBinary,
  isCompare,
  isUnary,
  type BinaryName,
  type CompareName,
  type PrimitiveAttrs,
  type PrimitiveName,
  type ScanAttrs,
  type UnaryName,
} from '../graph/primitive.js'
import type { Node, Tensor } from '../graph/tensor.js'
import { sizeOf } from '../shape.js'
import { attentionData, attentionGradData } from './interpreter/attention.js'
import { convData, matmulData } from './interpreter/contractions.js'
import { cumulativeData, reduceData, sortData } from './interpreter/folds.js'
import { groupedMatmulData, groupedQuantMatmulData } from './interpreter/groups.js'
import {
  broadcastData,
  concatData,
  dynamicSliceData,
  gatherData,
  padData,
  scatterAddData,
  sliceData,
  transposeData,
  updateSliceData,
  windowData,
} from './interpreter/movement.js'
import {
  binaryData,
  bitcastData,
  castData,
  compareData,
  foldStep,
  threefryBlock,
  unaryData,
} from './interpreter/pointwise.js'
import { quantMatmulData } from './interpreter/quantized.js'
import { roundFloat } from './interpreter/rounding.js'
import { storedData } from './interpreter/storage.js'
import type { Value } from './interpreter/value.js'

/** Options of `interpret`. */
export interface InterpretOptions {
  /** Round every result to its float dtype. Without it floats are float64 throughout. */
  readonly round?: boolean
}

/** Elements for tensors that have no value in host memory, or whose value is to be replaced. */
export type Bindings = ReadonlyMap<Tensor, ArrayLike<number>>

/**
 * The elements of tensors, computed in float64: one array each, row-major; bool is 0 or 1.
 *
 * Scalars and padding values are those of their dtype (0.1 in f32 is Math.fround(0.1)) with or without `round`.
 * @throws Error for a placeholder or device tensor that is not bound
 */
export function interpret(
  tensors: readonly Tensor[],
  bindings: Bindings = new Map(),
  options: InterpretOptions = {},
): Float64Array[] {
  return new Interpreter(bindings, options.round ?? false).run(tensors)
}

/** One evaluation: every node once. */
class Interpreter {
  readonly #bindings: Bindings
  readonly #round: boolean
  readonly #done = new Map<Node, Value[]>()
  readonly #ready = new Map<Tensor, Value>()

  constructor(bindings: Bindings, round: boolean) {
    this.#bindings = bindings
    this.#round = round
  }

  run(tensors: readonly Tensor[]): Float64Array[] {
    // An explicit stack: graphs may be deeper than the call stack.
    const stack: Node[] = []
    for (const tensor of tensors) {
      this.#push(stack, tensor)
      while (stack.length > 0) {
        const node = stack[stack.length - 1]
        const before = stack.length
        if (!this.#done.has(node)) for (const input of node.inputs) this.#push(stack, input)
        if (stack.length > before) continue
        stack.pop()
        if (!this.#done.has(node)) this.#done.set(node, this.#evaluate(node))
      }
    }
    return tensors.map((tensor) => this.#value(tensor).data)
  }

  /** Queues the node behind a tensor unless its value is known. */
  #push(stack: Node[], tensor: Tensor): void {
    if (this.#bindings.has(tensor) || tensor.storage !== null || tensor.node === null) return
    if (!this.#done.has(tensor.node)) stack.push(tensor.node)
  }

  #value(tensor: Tensor): Value {
    const done = tensor.node === null ? undefined : this.#done.get(tensor.node)
    if (done !== undefined && !this.#bindings.has(tensor)) return done[tensor.output]
    const known = this.#ready.get(tensor)
    if (known !== undefined) return known
    const bound = this.#bindings.get(tensor)
    const value: Value = {
      shape: tensor.shape,
      dtype: tensor.dtype,
      data: bound === undefined ? storedData(tensor) : Float64Array.from(bound),
    }
    if (value.data.length !== tensor.size)
      throw new Error(
        `interpret: a tensor of shape [${tensor.shape.join(', ')}] has ${tensor.size} elements, got ${value.data.length} bound`,
      )
    this.#ready.set(tensor, value)
    return value
  }

  #evaluate(node: Node): Value[] {
    const inputs = node.inputs.map((input) => this.#value(input))
    const results = this.#apply(node, inputs)
    return node.outputs.map((spec, k) => {
      if (results[k].length !== sizeOf(spec.shape))
        throw new InternalError(
          `interpret: ${node.op} gave ${results[k].length} elements for shape [${spec.shape.join(', ')}]`,
        )
      const data = this.#round && isFloat(spec.dtype) ? roundAll(results[k], spec.dtype) : results[k]
      return { shape: spec.shape, dtype: spec.dtype, data }
    })
  }

  #apply(node: Node, inputs: readonly Value[]): Float64Array[] {
    if (node.op === 'scan') return scanData(inputs, node.attrs as ScanAttrs, this.#round)
    if (isUnary(node.op)) return [unaryData(node.op, inputs[0])]
    if (isBinary(node.op)) return [binaryData(node.op, inputs[0], inputs[1])]
    if (isCompare(node.op)) return [compareData(node.op, inputs[0], inputs[1])]
    const rule = RULES[node.op as keyof typeof RULES] as Rule<PrimitiveName>
    return rule(inputs, node.attrs, node.outputs)
  }
}

function roundAll(data: Float64Array, dtype: Value['dtype']): Float64Array {
  return data.map((value) => roundFloat(value, dtype as 'f32' | 'f16' | 'bf16'))
}

/** Integers outside the f32 range of exactness pass; floats are the nearest of their dtype. */
function literal(value: number, dtype: Value['dtype']): number {
  return isFloat(dtype) ? roundFloat(value, dtype as 'f32' | 'f16' | 'bf16') : value
}

type Rule<Op extends PrimitiveName> = (
  inputs: readonly Value[],
  attrs: PrimitiveAttrs[Op],
  outputs: Node['outputs'],
) => Float64Array[]

type Tabled = Exclude<PrimitiveName, UnaryName | BinaryName | CompareName | 'scan'>

const RULES: { readonly [Op in Tabled]: Rule<Op> } = {
  placeholder: (_, __, [spec]) => {
    throw new Error(`interpret: a placeholder of shape [${spec.shape.join(', ')}] has no value; bind its elements`)
  },
  scalar: (_, { value }, [spec]) => [Float64Array.of(literal(value, spec.dtype))],
  iota: (_, __, [spec]) => [Float64Array.from({ length: spec.shape[0] }, (_element, k) => k)],
  cast: ([x], { to }) => [castData(x, to)],
  bitcast: ([x], { to }) => [bitcastData(x, to)],
  select: ([cond, a, b]) => [a.data.map((value, k) => (cond.data[k] !== 0 ? value : b.data[k]))],
  threefry: ([k0, k1, x0, x1], { word }) => [
    x0.data.map((value, k) => threefryBlock(k0.data[k], k1.data[k], value, x1.data[k])[word]),
  ],
  stopGradient: ([x]) => [x.data],
  barrier: ([x]) => [x.data],
  alias: ([x]) => [x.data],
  custom: (inputs, { operands }) => inputs.slice(operands).map((x) => x.data),
  reshape: ([x]) => [x.data],
  transpose: ([x], { perm }) => [transposeData(x, perm)],
  broadcastTo: ([x], { shape }) => [broadcastData(x, shape)],
  slice: ([x], attrs) => [sliceData(x, attrs)],
  pad: ([x], attrs, [spec]) => [padData(x, spec.shape, { ...attrs, value: literal(attrs.value, spec.dtype) })],
  window: ([x], attrs, [spec]) => [windowData(x, spec.shape, attrs)],
  concat: (parts, { axis }, [spec]) => [concatData(parts, spec.shape, axis)],
  gather: ([x, index], { axis }) => [gatherData(x, index, axis)],
  scatterAdd: ([x, index, updates], { axis }) => [scatterAddData(x, index, updates, axis, foldStep('sum', x.dtype))],
  dynamicSlice: ([x, ...starts], { size }) => [dynamicSliceData(x, starts, size)],
  updateSlice: ([x, update, ...starts]) => [updateSliceData(x, update, starts)],
  reduce: ([x], attrs, [spec]) => [reduceData(x, spec.shape, attrs)],
  matmul: ([a, b]) => [matmulData(a, b)],
  groupedMatmul: ([a, b, offsets], { contract }) => [groupedMatmulData(a, b, offsets, contract)],
  quantMatmul: ([x, ...weight], attrs) => [quantMatmulData(x, weight, attrs)],
  groupedQuantMatmul: ([x, ...rest], attrs) => [
    groupedQuantMatmulData(x, rest.slice(0, -1), rest[rest.length - 1], attrs),
  ],
  conv: ([x, w], attrs, [spec]) => [convData(x, w, spec.shape, attrs)],
  attention: (inputs, attrs) => attentionData(inputs, attrs),
  attentionGrad: (inputs, attrs) => attentionGradData(inputs, attrs),
  sort: ([x], attrs) => sortData(x, attrs),
  cumulative: ([x], attrs) => [cumulativeData(x, attrs)],
}

/** Operands [...constants, ...carries, ...stacked]; the body runs once a trip. */
function scanData(inputs: readonly Value[], attrs: ScanAttrs, round: boolean): Float64Array[] {
  const { body, constants, carries, trips: capacity } = attrs
  const trips = attrs.bounded ? Math.min(capacity, Math.max(0, inputs[0].data[0])) : capacity
  let carry = inputs.slice(constants, constants + carries).map((x) => x.data)
  const stacked = body.outputs.slice(carries).map((t) => new Float64Array(capacity * t.size))
  for (let trip = 0; trip < trips; trip++) {
    const at = attrs.reverse ? trips - 1 - trip : trip
    const slices = inputs
      .slice(constants + carries)
      .map((x) => x.data.subarray((at * x.data.length) / capacity, ((at + 1) * x.data.length) / capacity))
    const operands = [...inputs.slice(0, constants).map((x) => x.data), ...carry, ...slices]
    const bindings = new Map(body.placeholders.map((p, k) => [p, operands[k]]))
    const results = interpret(body.outputs, bindings, { round })
    carry = results.slice(0, carries)
    results.slice(carries).forEach((slice, k) => stacked[k].set(slice, at * slice.length))
  }
  return [...carry, ...stacked]
}
