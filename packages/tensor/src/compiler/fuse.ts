/**
 * Which values are computed together in one step and which go through memory.
 *
 * Values are visited from the last to the first, so that all readers of a value have been placed when it is visited.
 * A value joins the steps of its readers when it is read by one step, or is cheap to repeat; else it is stored, either
 * by one of the steps that read it (one step, several stores) or by a step of its own.
 */
import { isPointwise } from '../graph/primitive.js'
import type { BackendCapabilities } from '../program/backend.js'
import { sameShape } from '../shape.js'
import { CHEAP, recomputeCosts, REDUCTION_COST } from './cost.js'
import { NO_EPILOGUES, pairEpilogues, type Epilogues } from './epilogues.js'
import { Group } from './group.js'
import { isBijective, type Dim, type Domain, type Instance } from './indexMap.js'
import type { CallAttrs, Value, ValueGraph } from './value.js'

export interface FuseOptions {
  readonly capabilities: BackendCapabilities
  /** False: every value is stored by a step of its own (tests hold both to the same bits). */
  readonly fuse: boolean
  /** Inputs whose buffers may be overwritten. */
  readonly donated: ReadonlySet<number>
}

/** A routine or a loop with its operands as strided windows onto stored values. */
export interface Call {
  readonly value: Value
  readonly operands: readonly OperandView[]
}

export interface OperandView {
  readonly base: Value
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  readonly offset: number
}

export interface FusedGraph {
  readonly groups: readonly Group[]
  readonly calls: readonly Call[]
  /** `reshape` values that are in memory are the same bytes as their operand: value -> operand. */
  readonly sameBytes: ReadonlyMap<Value, Value>
  /** The group that stores a value. */
  readonly storedBy: ReadonlyMap<Value, Group>
  readonly epilogues: Epilogues
}

/** Expressions grow with every operator and instance; a step stops growing here. */
const MAX_OPERATORS = 160

export function fuseGraph(graph: ValueGraph, options: FuseOptions): FusedGraph {
  return new Fuser(graph, options).run()
}

class Fuser {
  readonly #graph: ValueGraph
  readonly #options: FuseOptions
  readonly #costs: Map<Value, number>
  readonly #outputs: ReadonlySet<Value>
  readonly #groups: Group[] = []
  readonly #calls: Call[] = []
  readonly #sameBytes = new Map<Value, Value>()
  readonly #storedBy = new Map<Value, Group>()
  readonly #mustStore = new Set<Value>()
  /** Groups that read a value, computed in them or not. */
  readonly #readers = new Map<Value, Set<Group>>()
  /** Calls that read a stored value. */
  readonly #callReaders = new Map<Value, Call[]>()
  readonly #operatorCounts = new Map<Group, number>()
  /** Values whose bytes, reshaped, are an output. */
  readonly #outputBytes = new Set<Value>()
  /** Updates whose buffer is updated in place again, or reshaped, until it is an output. */
  readonly #becomesOutput = new Set<Value>()

  constructor(graph: ValueGraph, options: FuseOptions) {
    this.#graph = graph
    this.#options = options
    this.#costs = recomputeCosts(graph.values)
    this.#outputs = new Set(graph.outputs)
    for (const output of graph.outputs) this.#mustStore.add(output)
  }

  run(): FusedGraph {
    const { values } = this.#graph
    for (let k = values.length - 1; k >= 0; k--) this.#visit(values[k])
    const fused: FusedGraph = {
      groups: this.#groups,
      calls: this.#calls,
      sameBytes: this.#sameBytes,
      storedBy: this.#storedBy,
      epilogues: NO_EPILOGUES,
    }
    return this.#options.fuse ? { ...fused, epilogues: pairEpilogues(fused, this.#options.donated) } : fused
  }

  #visit(value: Value): void {
    if (value.op === 'call') {
      this.#addCall(value)
      return
    }
    const readers = [...(this.#readers.get(value) ?? [])]
    if (value.op === 'input' || value.op === 'result') {
      for (const group of readers) group.loads.add(value)
      return
    }
    if (readers.length === 0 && !this.#mustStore.has(value)) return
    if (!this.#mustStore.has(value) && this.#inline(value, readers)) return
    this.#store(value, readers)
  }

  /** Computes a value inside every group that reads it. */
  #inline(value: Value, readers: readonly Group[]): boolean {
    const cost = this.#costs.get(value) ?? 0
    if (!this.#options.fuse && !isView(value)) return false
    if (readers.length > 1 && cost > CHEAP && !isView(value)) return false
    if (readers.length > 1 && value.op === 'reduce') return false
    if (!readers.every((group) => this.#worthRepeating(value, group, cost) && this.#hasRoom(group))) return false
    // A reduction that does not fit leaves the group as it was, so trying it on a single reader is safe.
    for (const group of readers) if (!this.#placeIn(value, group)) return false
    return true
  }

  #placeIn(value: Value, group: Group): boolean {
    if (!group.place(value)) return false
    this.#operatorCounts.set(
      group,
      (this.#operatorCounts.get(group) ?? 0) + (isView(value) ? 0 : group.instancesOf(value).length),
    )
    this.#noteReads(value, group)
    return true
  }

  #noteReads(value: Value, group: Group): void {
    for (const input of value.inputs) {
      let readers = this.#readers.get(input)
      if (readers === undefined) this.#readers.set(input, (readers = new Set()))
      readers.add(group)
    }
  }

  #hasRoom(group: Group): boolean {
    return (
      (this.#operatorCounts.get(group) ?? 0) < MAX_OPERATORS &&
      group.demands.size - group.placed.size < this.#options.capabilities.buffersPerStep - 4
    )
  }

  /** False when computing the value where it is read would repeat expensive work many times. */
  #worthRepeating(value: Value, group: Group, cost: number): boolean {
    const instances = group.instancesOf(value)
    if (instances.some((instance) => instance.map === null && value.op !== 'reshape')) return false
    if (isView(value)) return true
    if (instances.length > 1 && cost > CHEAP) return false
    if (cost <= CHEAP || value.op === 'reduce') return true
    return instances.every((instance) => repetition(group, instance, cost >= REDUCTION_COST) <= 1)
  }

  /** Puts a value in memory: by a group that computes it anyway, as the bytes of a reshaped operand, or by a step of its own. */
  #store(value: Value, readers: readonly Group[]): void {
    if (value.op === 'reshape' && this.#aliasReshape(value, readers)) return
    const host = this.#options.fuse ? readers.find((group) => this.#canHost(value, group, readers)) : undefined
    if (host !== undefined) {
      this.#storedBy.set(value, host)
      for (const group of readers) if (group !== host) group.loads.add(value)
      return
    }
    const inPlace = this.#inPlaceUpdate(value)
    if (this.#options.fuse && !inPlace && this.#joinSibling(value, readers)) return
    const group = new Group(value, inPlace ? value : null)
    this.#groups.push(group)
    this.#storedBy.set(value, group)
    for (const reader of readers) reader.loads.add(value)
    if (group.update !== null) {
      group.loads.add(value.inputs[0])
      this.#noteReads(value, group)
    } else if (!this.#placeIn(value, group))
      throw new Error(`internal: fuse: a step of its own cannot compute "${value.op}"`)
  }

  /**
   * Computes and stores a value in a step over the same elements that reads what it reads: two results of one optimiser update,
   * say. Nothing that the step needs may wait for the value.
   */
  #joinSibling(value: Value, readers: readonly Group[]): boolean {
    if (!isPointwise(value.op as never)) return false
    const waiting = new Set<Group | Call>([...readers, ...(this.#callReaders.get(value) ?? [])])
    const sibling = this.#groups.find((group) => {
      if (group.update !== null || group.inner >= 0 || waiting.has(group) || !this.#hasRoom(group)) return false
      const [root] = group.roots
      if (!sameShape(root.value.shape, value.shape) || !sharesOperand(value, group)) return false
      return waiting.size === 0 || !this.#reaches(group, waiting)
    })
    if (sibling === undefined) return false
    const { instance } = sibling.roots[0]
    sibling.demand(value, instance)
    if (!this.#placeIn(value, sibling)) return false
    sibling.roots.push({ value, instance })
    this.#storedBy.set(value, sibling)
    for (const reader of readers) reader.loads.add(value)
    return true
  }

  /**
   * The buffer of `updateSlice`'s operand dies here, so only the slice is written. An input's buffer can be written only on its way to
   * being an output.
   */
  #inPlaceUpdate(value: Value): boolean {
    if (value.op !== 'updateSlice' || !this.#options.fuse) return false
    const [x] = value.inputs
    // Its only reader is the update, which reads it only as what is updated.
    if (x.users.length !== 1 || value.inputs.lastIndexOf(x) > 0) return false
    if (x.op === 'result') return true
    const becomesOutput = this.#outputs.has(value) || this.#becomesOutput.has(value)
    if (x.op === 'input') return becomesOutput && this.#options.donated.has((x.attrs as { index: number }).index)
    if (x.op !== 'updateSlice' || this.#outputs.has(x)) return false
    this.#mustStore.add(x)
    if (becomesOutput) this.#becomesOutput.add(x)
    return true
  }

  #aliasReshape(value: Value, readers: readonly Group[]): boolean {
    const [x] = value.inputs
    if (this.#outputs.has(value) || this.#outputBytes.has(value)) {
      // Two outputs may not be the same bytes, nor may an output be those of an input.
      if (x.op === 'input' || this.#outputs.has(x) || this.#outputBytes.has(x)) return false
      this.#outputBytes.add(x)
      this.#becomesOutput.add(x)
    }
    this.#sameBytes.set(value, x)
    this.#mustStore.add(x)
    for (const group of readers) {
      group.placeAsBytes(value, x)
      this.#noteReads(value, group)
    }
    for (const call of this.#callReaders.get(value) ?? []) this.#readByCall(x, call)
    return true
  }

  /** Whether `group`, which reads the value, can compute and store it as well without any step waiting for itself. */
  #canHost(value: Value, group: Group, readers: readonly Group[]): boolean {
    if (group.update !== null || !this.#hasRoom(group)) return false
    const canonical = group.instancesOf(value).find((instance) => isCanonical(group, value, instance))
    if (canonical === undefined || !storesAlongRows(value, group, canonical)) return false
    const others = new Set<Group | Call>([
      ...readers.filter((reader) => reader !== group),
      ...(this.#callReaders.get(value) ?? []),
    ])
    if (others.size > 0 && this.#reaches(group, others)) return false
    if (!this.#worthRepeating(value, group, this.#costs.get(value) ?? 0)) return false
    if (!this.#placeIn(value, group)) return false
    group.roots.push({ value, instance: canonical })
    return true
  }

  /** Whether `from` needs, directly or through other steps, something that one of `targets` makes. */
  #reaches(from: Group, targets: ReadonlySet<Group | Call>): boolean {
    const seen = new Set<Group | Call>([from])
    const stack: (Group | Call)[] = [from]
    while (stack.length > 0) {
      const step = stack.pop() as Group | Call
      for (const value of step instanceof Group ? step.loads : step.operands.map((operand) => operand.base)) {
        const maker = this.#makerOf(value)
        if (maker === undefined || seen.has(maker)) continue
        if (targets.has(maker)) return true
        seen.add(maker)
        stack.push(maker)
      }
    }
    return false
  }

  #makerOf(value: Value): Group | Call | undefined {
    let base = value
    for (let x = this.#sameBytes.get(base); x !== undefined; x = this.#sameBytes.get(base)) base = x
    if (base.op === 'result') return this.#callOf.get(base.inputs[0])
    return this.#storedBy.get(base)
  }

  readonly #callOf = new Map<Value, Call>()

  #addCall(value: Value): void {
    const { primitive } = value.attrs as CallAttrs
    const operands = value.inputs.map((input) =>
      STRIDED_OPERANDS.has(primitive) ? stridedView(input) : denseView(input),
    )
    const call: Call = { value, operands }
    this.#calls.push(call)
    this.#callOf.set(value, call)
    for (const { base } of operands) this.#readByCall(base, call)
  }

  #readByCall(value: Value, call: Call): void {
    this.#mustStore.add(value)
    const readers = this.#callReaders.get(value)
    if (readers === undefined) this.#callReaders.set(value, [call])
    else readers.push(call)
  }
}

/** Routines that take their operands with any strides. */
const STRIDED_OPERANDS: ReadonlySet<string> = new Set(['matmul', 'groupedMatmul'])

function denseView(value: Value): OperandView {
  return { base: value, shape: value.shape, strides: denseStrides(value.shape), offset: 0 }
}

function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let k = shape.length - 1; k >= 0; k--) {
    strides[k] = stride
    stride *= shape[k]
  }
  return strides
}

/** Looks through movement operators down to the value that has to be in memory. */
function stridedView(value: Value): OperandView {
  const probe = new Group({ ...value, op: 'identity', inputs: [value] })
  const rank = probe.domain.extents.length
  let base = value
  let map = probe.roots[0].instance.map as readonly Dim[]
  let view = viewOf(probe.domain, value, base, map)
  while (LOOK_THROUGH.has(base.op)) {
    const [next] = probe.deriveOperands(base, { map, linear: null, guards: [], depth: 0 })
    // A reshape that had to split an axis, or lost the axes of its operand, is no strided view: the copy is made here.
    if (next.map === null || probe.domain.extents.length !== rank) break
    base = base.inputs[0]
    map = next.map
    view = viewOf(probe.domain, value, base, map)
  }
  return view
}

function viewOf(domain: Domain, value: Value, base: Value, map: readonly Dim[]): OperandView {
  const linear = domain.linear(map, base.shape)
  let axis = 0
  const strides = value.shape.map((extent) => (extent === 1 ? 0 : linear.coefs[axis++]))
  return { base, shape: value.shape, strides, offset: linear.offset }
}

const LOOK_THROUGH: ReadonlySet<string> = new Set(['reshape', 'transpose', 'broadcastTo', 'slice', 'barrier'])

function isView(value: Value): boolean {
  switch (value.op) {
    case 'reshape':
    case 'transpose':
    case 'broadcastTo':
    case 'slice':
    case 'scalar':
    case 'iota':
    case 'barrier':
      return true
    default:
      return false
  }
}

/**
 * How many times an element is computed: extents of the axes it does not depend on, but for those that a loop hoists it out of.
 * Something made from a reduction is likely to be a row value, whose missing axis becomes the inner one.
 */
function repetition(group: Group, instance: Instance, fromReduction: boolean): number {
  const { map } = instance
  if (map === null) return 1
  const { extents } = group.domain
  const used = extents.map((_, k) => map.some((dim) => dim.coefs[k] !== 0 || dim.dynamic.length > 0))
  const unused = used.map((isUsed, k) => (isUsed || extents[k] <= 1 ? -1 : k)).filter((k) => k >= 0)
  if (fromReduction && group.inner < 0 && unused.length === 1) return 1
  const order = group.inner < 0 ? extents.map((_, k) => k) : [...group.outerAxes(), group.inner]
  let last = order.length - 1
  while (last >= 0 && !used[order[last]]) last--
  let repeated = 1
  for (let k = 0; k < last; k++) if (!used[order[k]]) repeated *= extents[order[k]]
  return repeated
}

/** Whether elementwise operands of `value`, a few levels down, are read by the group in full size. */
function sharesOperand(value: Value, group: Group): boolean {
  const size = sizeOf(value.shape)
  const stack = [...value.inputs]
  for (let visited = 0; stack.length > 0 && visited < SIBLING_SEARCH; visited++) {
    const operand = stack.pop() as Value
    // What is broadcast is not read in full size: updates of two parameters that share a number have nothing in common.
    if (sizeOf(operand.shape) !== size || operand.op === 'broadcastTo') continue
    if (group.demands.has(operand)) return true
    if (isPointwise(operand.op as never)) stack.push(...operand.inputs)
  }
  return false
}

/** How far siblings may be apart. */
const SIBLING_SEARCH = 24

/** A step that folds columns writes elements far apart: a value of that shape is better stored by a step that walks along rows. */
function storesAlongRows(value: Value, group: Group, instance: Instance): boolean {
  if (group.inner < 0) return true
  const linear = instance.linear ?? group.domain.linear(instance.map as readonly Dim[], value.shape)
  return linear.coefs[group.inner] <= 1
}

/** Read exactly once per element of the domain (or of the rows), in a way that a dense buffer can be written. */
function isCanonical(group: Group, value: Value, instance: Instance): boolean {
  if (instance.guards.length > 0) return false
  const { domain } = group
  const linear = instance.linear ?? domain.linear(instance.map as readonly Dim[], value.shape)
  const size = sizeOf(value.shape)
  const all = domain.extents.map((_, k) => k)
  if (isBijective(domain, linear, all, size)) return true
  return group.inner >= 0 && isBijective(domain, linear, group.outerAxes(), size)
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}
