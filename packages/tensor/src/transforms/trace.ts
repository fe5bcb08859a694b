/** Which function transforms are running, and which tensors therefore have no value yet. */
import type { Node, Tensor } from '../graph/tensor.js'
import { nodeClock } from '../graph/tensor.js'

/** Running traces by number: the id of the first node that can belong to each. */
const active = new Map<number, number>()
let nextTrace = 1

/** The trace number of aliases that never hold back a value. */
export const NO_TRACE = 0

/** Runs `body` with a new trace; aliases and placeholders made inside have no readable value until it returns. */
export function runTrace<T>(body: (trace: number) => T): T {
  const trace = nextTrace++
  active.set(trace, nodeClock())
  try {
    return body(trace)
  } finally {
    active.delete(trace)
  }
}

/** Whether an alias of this trace still stands for an argument of a running transform; afterwards it is a plain identity. */
export function isActiveTrace(trace: number): boolean {
  return active.has(trace)
}

/**
 * Whether a tensor depends on an argument of a running transform, so that its value cannot be read.
 * Free while no transform runs; otherwise a walk over the nodes made since the oldest one started.
 */
export function isTraced(tensor: Tensor): boolean {
  if (active.size === 0 || tensor.node === null) return false
  return reaches(tensor, Math.min(...active.values()), () => true, isTraceArgument)
}

function isTraceArgument(node: Node): boolean {
  if (node.op === 'placeholder') return true
  return node.op === 'alias' && isActiveTrace((node as unknown as Node<'alias'>).attrs.trace)
}

/** Whether a node that passes `found` is reached from a tensor over nodes with ids of at least `mark` that `through` lets pass. */
export function reaches(
  tensor: Tensor,
  mark: number,
  through: (tensor: Tensor, node: Node) => boolean,
  found: (node: Node) => boolean,
): boolean {
  const seen = new Set<Node>()
  const stack = [tensor]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const node = next.node
    if (node === null || node.id < mark || seen.has(node) || !through(next, node)) continue
    if (found(node)) return true
    seen.add(node)
    stack.push(...node.inputs)
  }
  return false
}

/** The id from which nodes can depend on an argument of a running transform; Infinity when none runs. */
export function oldestTraceMark(): number {
  return Math.min(Infinity, ...active.values())
}
