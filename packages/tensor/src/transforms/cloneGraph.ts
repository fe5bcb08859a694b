/** Copies of graphs with some tensors replaced. */
import { createNode, type Node, type Tensor } from '../graph/tensor.js'
import { withSite } from '../graph/tensor.js'
import { isConsumed, markConsumed } from './customRules.js'

/** Tensors by identity: several handles of one node output are the same tensor. */
export class TensorMap<T> {
  readonly #byNode = new Map<Node, T[]>()
  readonly #byTensor = new Map<Tensor, T>()

  get(tensor: Tensor): T | undefined {
    // A tensor that was evaluated after it was put in has lost its node, so the handle itself is a key too.
    const own = this.#byTensor.get(tensor)
    if (own !== undefined || tensor.node === null) return own
    return this.#byNode.get(tensor.node)?.[tensor.output]
  }

  has(tensor: Tensor): boolean {
    return this.get(tensor) !== undefined
  }

  set(tensor: Tensor, value: T): void {
    this.#byTensor.set(tensor, value)
    if (tensor.node === null) return
    const slots = this.#byNode.get(tensor.node) ?? []
    slots[tensor.output] = value
    this.#byNode.set(tensor.node, slots)
  }
}

export interface CloneOptions {
  /** Nodes with smaller ids are kept as they are. */
  readonly mark: number
  /** Copy every node from `mark` on, also those that reach no replaced tensor: copies are then in the order of the originals. */
  readonly all?: boolean
  /** Gives other outputs for a node (on its new inputs) instead of a copy, or null. */
  readonly rewrite?: (node: Node, inputs: readonly Tensor[]) => readonly Tensor[] | null
}

/** `outputs` rebuilt with `replace` put in the place of the tensors it names. Nodes that reach none of them are shared. */
export function cloneGraph(outputs: readonly Tensor[], replace: TensorMap<Tensor>, options: CloneOptions): Tensor[] {
  const copies = new Map<Node, readonly Tensor[]>()
  const lookUp = (tensor: Tensor): Tensor => {
    const replaced = replace.get(tensor)
    if (replaced !== undefined) return replaced
    return (tensor.node === null ? undefined : copies.get(tensor.node)?.[tensor.output]) ?? tensor
  }
  for (const node of nodesBelow(outputs, replace, options.mark)) {
    // A node without inputs is the same anywhere; a placeholder must stay itself.
    if (node.inputs.length === 0) continue
    const inputs = node.inputs.map(lookUp)
    if (options.all !== true && inputs.every((input, k) => input === node.inputs[k])) continue
    copies.set(node, options.rewrite?.(node, inputs) ?? cloneNode(node, inputs))
  }
  return outputs.map(lookUp)
}

/** The same primitive on other inputs of equal shapes. */
export function cloneNode(node: Node, inputs: readonly Tensor[]): Tensor[] {
  const copy = withSite(node.site, () => createNode(node.op, inputs, node.attrs, node.outputs))
  if (isConsumed(node)) markConsumed(copy[0].node as Node)
  return copy
}

/** Nodes reached without passing a tensor of `stop`, from `mark` on, ascending. */
export function nodesBelow(outputs: readonly Tensor[], stop: TensorMap<unknown>, mark: number): Node[] {
  const seen = new Set<Node>()
  const stack = [...outputs]
  for (let tensor = stack.pop(); tensor !== undefined; tensor = stack.pop()) {
    const node = tensor.node
    if (node === null || node.id < mark || seen.has(node) || stop.has(tensor)) continue
    seen.add(node)
    stack.push(...node.inputs)
  }
  return [...seen].sort((a, b) => a.id - b.id)
}
