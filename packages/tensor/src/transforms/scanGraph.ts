/** Building `scan` nodes: tracing a body, finding what it captures, dropping what it does not read. */
import type { PrimitiveName, ScanAttrs, TensorSpec } from '../graph/primitive.js'
import { isPointwise } from '../graph/primitive.js'
import { placeholder, scanOf } from '../graph/primitives.js'
import { nodeClock, type Node, type Tensor } from '../graph/tensor.js'
import { cloneGraph, nodesBelow, TensorMap } from './cloneGraph.js'

/** A traced body: outputs [...carries, ...stacked] in terms of its placeholders. */
export interface ScanBody {
  readonly constants: readonly Tensor[]
  readonly carries: readonly Tensor[]
  readonly slices: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  /** Tensors from outside that the body reads, with their placeholders: further constants. */
  readonly captured: readonly { readonly outside: Tensor; readonly inside: Tensor }[]
}

export interface ScanSpecs {
  readonly constants: readonly TensorSpec[]
  readonly carries: readonly TensorSpec[]
  /** Specs of one slice, without the leading axis. */
  readonly slices: readonly TensorSpec[]
}

/** Traces a body on placeholders. Tensors that it captures become constants. */
export function traceScanBody(
  specs: ScanSpecs,
  f: (constants: readonly Tensor[], carries: readonly Tensor[], slices: readonly Tensor[]) => readonly Tensor[],
): ScanBody {
  const mark = nodeClock()
  const fresh = (list: readonly TensorSpec[]): Tensor[] => list.map((spec) => placeholder(spec.shape, spec.dtype))
  const [constants, carries, slices] = [fresh(specs.constants), fresh(specs.carries), fresh(specs.slices)]
  const outputs = f(constants, carries, slices)
  return { constants, carries, slices, ...closeOver(outputs, [...constants, ...carries, ...slices], mark) }
}

/** Replaces the tensors from outside that outputs depend on by placeholders. */
function closeOver(
  outputs: readonly Tensor[],
  placeholders: readonly Tensor[],
  mark: number,
): Pick<ScanBody, 'outputs' | 'captured'> {
  const own = new Set(placeholders.map((p) => p.node as Node))
  const captured: { outside: Tensor; inside: Tensor }[] = []
  const inside = new TensorMap<Tensor>()
  const capture = (outside: Tensor): void => {
    if (inside.has(outside)) return
    const stand = placeholder(outside.shape, outside.dtype)
    inside.set(outside, stand)
    captured.push({ outside, inside: stand })
  }
  const depends = dependentNodes(outputs, own, mark)
  const visit = (tensor: Tensor): void => {
    if (tensor.node === null || !depends.has(tensor.node)) hoist(tensor, capture)
  }
  outputs.forEach(visit)
  for (const node of depends) if (!own.has(node)) node.inputs.forEach(visit)
  return { outputs: captured.length === 0 ? outputs : cloneGraph(outputs, inside, { mark: 0 }), captured }
}

/** The nodes that outputs are made of and that depend on a placeholder, placeholders included. */
function dependentNodes(outputs: readonly Tensor[], placeholders: ReadonlySet<Node>, mark: number): Set<Node> {
  const depends = new Set<Node>()
  for (const node of nodesBelow(outputs, new TensorMap(), mark))
    if (placeholders.has(node) || node.inputs.some((input) => input.node !== null && depends.has(input.node)))
      depends.add(node)
  return depends
}

/**
 * Decides what of an unchanging value is computed once outside: nothing of pure constants, for views only what they
 * look at (a stretched copy would cost memory), otherwise the value itself.
 */
function hoist(tensor: Tensor, capture: (tensor: Tensor) => void): void {
  const { node } = tensor
  if (isPureConstant(tensor, 6)) return
  if (node !== null && VIEWS.has(node.op)) hoist(node.inputs[0], capture)
  else capture(tensor)
}

const VIEWS: ReadonlySet<PrimitiveName> = new Set<PrimitiveName>(['broadcastTo', 'reshape', 'transpose'])

/** Made of numbers alone within a few cheap steps. */
function isPureConstant({ node }: Tensor, depth: number): boolean {
  if (node === null || depth === 0) return false
  if (node.op === 'scalar' || node.op === 'iota') return true
  return (isPointwise(node.op) || VIEWS.has(node.op)) && node.inputs.every((input) => isPureConstant(input, depth - 1))
}

/** Which of a body's placeholders its outputs read. */
export function readPlaceholders(body: ScanBody): ReadonlySet<Tensor> {
  const reached = new Set(nodesBelow(body.outputs, new TensorMap(), 0))
  return new Set([...body.constants, ...body.carries, ...body.slices].filter((p) => reached.has(p.node as Node)))
}

/** How often a loop runs and which way: what derivatives and batches of it have in common. */
export type ScanTrips = Pick<ScanAttrs, 'trips' | 'reverse' | 'bounded'>

export interface ScanOperands {
  readonly constants: readonly Tensor[]
  readonly carries: readonly Tensor[]
  /** With the leading axis of length `trips`; a slice that the body does not read may be null. */
  readonly slices: readonly (Tensor | null)[]
}

/**
 * Makes the node: outputs [...final carries, ...stacked]. Constants and slices that the body does not read are left out, but for
 * the run-time number of trips.
 */
export function makeScan(body: ScanBody, operands: ScanOperands, { trips, reverse, bounded }: ScanTrips): Tensor[] {
  const read = new Set(readPlaceholders(body))
  if (bounded) read.add(body.constants[0])
  const keep = <T>(placeholders: readonly Tensor[], values: readonly T[]): [Tensor[], T[]] => [
    placeholders.filter((p) => read.has(p)),
    values.filter((_, k) => read.has(placeholders[k])),
  ]
  const [constants, constantValues] = keep(body.constants, operands.constants)
  const [slices, sliceValues] = keep(body.slices, operands.slices)
  const hidden = body.captured
  return scanOf(
    [...constantValues, ...hidden.map((c) => c.outside), ...operands.carries, ...(sliceValues as Tensor[])],
    {
      body: {
        placeholders: [...constants, ...hidden.map((c) => c.inside), ...body.carries, ...slices],
        outputs: body.outputs,
      },
      constants: constants.length + hidden.length,
      carries: body.carries.length,
      trips,
      reverse,
      bounded,
    },
  )
}

export function specOf(tensor: Tensor): TensorSpec {
  return { shape: tensor.shape, dtype: tensor.dtype }
}

/** The spec of one slice along the leading axis. */
export function sliceSpec(tensor: Tensor): TensorSpec {
  return { shape: tensor.shape.slice(1), dtype: tensor.dtype }
}

/** A body on other operands: the traced graph with its placeholders replaced. */
export function instantiate(
  placeholders: readonly Tensor[],
  outputs: readonly Tensor[],
  operands: readonly Tensor[],
): Tensor[] {
  const replace = new TensorMap<Tensor>()
  placeholders.forEach((p, k) => replace.set(p, operands[k]))
  return cloneGraph(outputs, replace, { mark: 0 })
}
