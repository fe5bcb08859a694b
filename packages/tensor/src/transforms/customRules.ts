/** What the passes must know about `custom` nodes beyond their attributes. */
import type { CustomRules } from '../graph/primitive.js'
import type { Node, Tensor } from '../graph/tensor.js'

/** How a checkpointed function is run once more: operands of its node -> outputs. A pure function of its operands. */
export type Recompute = (operands: readonly Tensor[]) => readonly Tensor[]

const recomputations = new WeakMap<CustomRules, Recompute>()

/** Marks rules as those of a checkpoint: the reverse pass recomputes the body instead of asking for a vjp. */
export function setRecompute(rules: CustomRules, recompute: Recompute): CustomRules {
  recomputations.set(rules, recompute)
  return rules
}

export function recomputeOf(rules: CustomRules): Recompute | undefined {
  return recomputations.get(rules)
}

/**
 * `custom` nodes whose rule a reverse pass has used. A forward pass over the result (forward over reverse) goes through
 * their body; only a direct jvp needs a rule of its own.
 */
const consumed = new WeakSet<Node>()

export function markConsumed(node: Node): void {
  consumed.add(node)
}

export function isConsumed(node: Node): boolean {
  return consumed.has(node)
}

/** Whether reverse mode stops at the node and uses its rule. */
export function hasReverseRule(rules: CustomRules): boolean {
  return rules.vjp !== undefined || recomputations.has(rules)
}

/** How forward mode passes a `custom` node. */
export function forwardRoute(node: Node<'custom'>): 'rule' | 'body' | 'forbidden' {
  const { rules } = node.attrs
  if (rules.jvp !== undefined) return 'rule'
  return rules.throughBody || !hasReverseRule(rules) || isConsumed(node as unknown as Node) ? 'body' : 'forbidden'
}
