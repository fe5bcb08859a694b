/** The part of a recorded graph that depends on the arguments of a transform, in order. */
import { isFloat } from '../dtype.js'
import type { PrimitiveName } from '../graph/primitive.js'
import { Tensor, type Node } from '../graph/tensor.js'
import { forwardRoute, hasReverseRule } from './customRules.js'

/** `reverse` and `forward` follow derivatives; `value` follows every dependence. */
export type TapeMode = 'reverse' | 'forward' | 'value'

export interface TapeEntry {
  readonly node: Node
  /** For every input the entry that made it, or null where nothing flows. Kept here because evaluated tensors drop their node. */
  readonly sources: readonly (TapeEntry | null)[]
  /** Handles of the node's outputs; holes are filled on demand by `outputOf`. */
  readonly outputs: (Tensor | undefined)[]
}

export interface Tape {
  /** One for every seed. */
  readonly seeds: readonly TapeEntry[]
  /** Dependent nodes in ascending order, seeds left out. */
  readonly entries: readonly TapeEntry[]
  /** The entry of every output and which of its outputs it is; null where it does not depend on a seed. */
  readonly outputs: readonly ({ readonly entry: TapeEntry; readonly output: number } | null)[]
}

/** A handle of output k of an entry's node. */
export function outputOf(entry: TapeEntry, k: number): Tensor {
  return (entry.outputs[k] ??= new Tensor(entry.node.outputs[k], entry.node, k))
}

/** The derivative of these is zero everywhere (or they have none), so nothing flows through them. */
const CONSTANT_OPS: ReadonlySet<PrimitiveName> = new Set<PrimitiveName>([
  'stopGradient',
  'sign',
  'floor',
  'ceil',
  'round',
  'bitcast',
])

/** Whether a derivative can flow through a tensor made by `node`. */
export function carriesDerivatives(tensor: Tensor, node: Node): boolean {
  return isFloat(tensor.dtype) && !CONSTANT_OPS.has(node.op)
}

/** First and last + 1 of the inputs of a node that a mode follows. */
function followed(node: Node, mode: TapeMode): readonly [number, number] {
  if (node.op !== 'custom' || mode === 'value') return [0, node.inputs.length]
  const custom = node as unknown as Node<'custom'>
  const { rules, operands } = custom.attrs
  const byRule = mode === 'reverse' ? hasReverseRule(rules) : forwardRoute(custom) !== 'body'
  return byRule ? [0, operands] : [operands, node.inputs.length]
}

function flows(tensor: Tensor, mode: TapeMode): boolean {
  return mode === 'value' || isFloat(tensor.dtype)
}

/** Nodes reached from `outputs` that are not older than the seeds, ascending. */
function reachedNodes(outputs: readonly Tensor[], seeds: ReadonlySet<Node>, mark: number, mode: TapeMode): Node[] {
  const seen = new Set<Node>()
  const stack = [...outputs]
  for (let tensor = stack.pop(); tensor !== undefined; tensor = stack.pop()) {
    const node = tensor.node
    if (node === null || node.id < mark || seen.has(node)) continue
    if (mode !== 'value' && !carriesDerivatives(tensor, node)) continue
    seen.add(node)
    if (seeds.has(node)) continue
    const [from, to] = followed(node, mode)
    for (let k = from; k < to; k++) stack.push(node.inputs[k])
  }
  return [...seen].sort((a, b) => a.id - b.id)
}

/** @param seeds tensors of nodes made for this purpose (aliases, placeholders, barriers), one output each */
export function recordTape(outputs: readonly Tensor[], seeds: readonly Tensor[], mode: TapeMode): Tape {
  const found = new Map<Node, TapeEntry>()
  const seedEntries = seeds.map((seed) => {
    const node = seed.node as Node
    const entry: TapeEntry = { node, sources: [], outputs: [seed] }
    found.set(node, entry)
    return entry
  })
  const seedNodes = new Set(found.keys())
  const mark = Math.min(...seedEntries.map((entry) => entry.node.id))
  const entries: TapeEntry[] = []
  for (const node of reachedNodes(outputs, seedNodes, mark, mode)) {
    if (seedNodes.has(node)) continue
    const entry = entryOf(node, found, mode)
    if (entry === null) continue
    found.set(node, entry)
    entries.push(entry)
  }
  return { seeds: seedEntries, entries, outputs: outputs.map((tensor) => placeOf(tensor, found, mode)) }
}

function placeOf(tensor: Tensor, found: ReadonlyMap<Node, TapeEntry>, mode: TapeMode): Tape['outputs'][number] {
  if (tensor.node === null || !flows(tensor, mode)) return null
  const entry = found.get(tensor.node)
  if (entry === undefined) return null
  entry.outputs[tensor.output] ??= tensor
  return { entry, output: tensor.output }
}

/** The entry of a node, or null when nothing flows into it. */
function entryOf(node: Node, found: ReadonlyMap<Node, TapeEntry>, mode: TapeMode): TapeEntry | null {
  const [from, to] = followed(node, mode)
  let depends = false
  const sources = node.inputs.map((input, k) => {
    const place = k < from || k >= to ? null : placeOf(input, found, mode)
    depends ||= place !== null
    return place === null ? null : place.entry
  })
  return depends ? { node, sources, outputs: [] } : null
}
