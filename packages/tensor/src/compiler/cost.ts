/** Rough cost of computing a value again, in elementary operations per element. Decides between storing and repeating. */
import { isPointwise } from '../graph/primitive.js'
import type { Value } from './value.js'

/** Repeating up to this many operations is cheaper than writing and reading four bytes. */
export const CHEAP = 4

/** A reduction is never cheap: computing it again reads a whole row. */
export const REDUCTION_COST = 1_000

const HEAVY: Readonly<Record<string, number>> = {
  exp: 12,
  log: 14,
  log1p: 16,
  expm1: 16,
  sin: 20,
  cos: 20,
  tanh: 18,
  erf: 20,
  erfInv: 24,
  pow: 40,
  threefry: 110,
  div: 3,
  sqrt: 3,
  rem: 4,
}

/**
 * Operations per element for every value, by id, counted down to values that are in memory anyway. A value with several
 * users that is not cheap is taken to be stored, so it costs its users nothing.
 */
export function recomputeCosts(values: readonly Value[]): Map<Value, number> {
  const costs = new Map<Value, number>()
  for (const value of values) {
    let cost = ownCost(value)
    for (const input of value.inputs) {
      const inputCost = costs.get(input) ?? 0
      const stored = input.users.length > 1 && inputCost > CHEAP
      if (!stored) cost += inputCost
    }
    costs.set(value, isStored(value) ? 0 : cost)
  }
  return costs
}

function isStored(value: Value): boolean {
  return value.op === 'input' || value.op === 'result' || value.op === 'call'
}

function ownCost(value: Value): number {
  if (value.op === 'reduce') return REDUCTION_COST
  if (value.op === 'gather' || value.op === 'updateSlice') return 3
  if (value.op === 'pad' || value.op === 'concat') return 2 * value.inputs.length
  if (isPointwise(value.op as never)) return HEAVY[value.op] ?? 1
  return 0
}
