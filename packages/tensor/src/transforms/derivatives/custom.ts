/** Derivatives of `custom` nodes: by their rules, not by their bodies. */
import { ArgumentError } from '../../errors.js'
import { barrier, newRegion } from '../../graph/primitives.js'
import type { Node, Tensor } from '../../graph/tensor.js'
import { isFloat } from '../../dtype.js'
import { sameShape, showShape } from '../../shape.js'
import { zeros } from '../arithmetic.js'
import { forwardRoute, markConsumed } from '../customRules.js'
import type { Application, JvpRule, Maybe, VjpRule } from '../rules.js'

/** Operands of a custom node, without its body's outputs. */
function operandsOf({ inputs, attrs }: Application<'custom'>): readonly Tensor[] {
  return inputs.slice(0, attrs.operands)
}

function outputsOf(a: Application<'custom'>): Tensor[] {
  return a.node.outputs.map((_, k) => a.output(k))
}

export const customVjpRule: VjpRule<'custom'> = (a, cotangents) => {
  const { rules, operands } = a.attrs
  markConsumed(a.node as unknown as Node)
  // Without a rule the node is an identity of its body's outputs.
  if (rules.vjp === undefined) return a.inputs.map((_, k) => (k < operands ? null : cotangents[k - operands]))
  const filled = cotangents.map((ct, k) => ct ?? zeros(a.node.outputs[k]))
  const gradients = rules.vjp(filled, operandsOf(a), outputsOf(a))
  checkCount(rules.name, 'backward', 'argument', gradients.length, operands)
  return a.inputs.map((x, k) =>
    k < operands && a.needs[k] ? checked(rules.name, 'backward', k, x, gradients[k]) : null,
  )
}

export const customJvpRule: JvpRule<'custom'> = (a, tangents) => {
  const { rules, operands } = a.attrs
  switch (forwardRoute(a.node)) {
    case 'body':
      return tangents.slice(operands)
    case 'forbidden':
      throw new ArgumentError(
        `jvp: ${rules.name} has a backward rule but no forward one; give customVjp a customJvp, or differentiate in reverse mode`,
      )
    case 'rule': {
      const filled = operandsOf(a).map((x, k) => tangents[k] ?? zeros(x))
      const outputs = outputsOf(a)
      const results = rules.jvp!(filled, operandsOf(a), outputs)
      checkCount(rules.name, 'customJvp', 'output', results.length, outputs.length)
      return outputs.map((out, k) => (isFloat(out.dtype) ? checked(rules.name, 'customJvp', k, out, results[k]) : null))
    }
  }
}

function checkCount(name: string, rule: string, what: string, got: number, want: number): void {
  if (got !== want)
    throw new ArgumentError(`${name}: ${rule} must give one tensor (or null) for every ${what}, got ${got} for ${want}`)
}

function checked(name: string, rule: string, k: number, like: Tensor, got: Maybe | undefined): Maybe {
  if (got === null || got === undefined) return null
  if (sameShape(got.shape, like.shape) && got.dtype === like.dtype) return got
  throw new ArgumentError(
    `${name}: ${rule} must give a tensor of shape ${showShape(like.shape)} and dtype ${like.dtype} at position ${k}, got ${showShape(got.shape)} ${got.dtype}`,
  )
}

/** Fresh operands for a recomputation: equal values that wait for the cotangents, so that nothing is recomputed early. */
export function recomputedOperands(operands: readonly Tensor[], cotangents: readonly Maybe[]): Tensor[] {
  const region = newRegion()
  const waitsFor = cotangents.filter((ct) => ct !== null)
  return operands.map((x) => barrier(x, waitsFor, region))
}
