import type { RoutineStep } from '../../program/ir.js'
import { readView, type Dense } from '../views.js'
import type { Cell } from '../cell.js'

/** A routine step with its operands read; the functions of this folder turn it into dense results, not rounded yet. */
export interface RoutineCall {
  readonly step: RoutineStep
  readonly operands: readonly Dense[]
}

/** Results in order, one value per element. */
export type RoutineResults = readonly ArrayLike<number>[]

export function readOperands(step: RoutineStep, cells: readonly Cell[]): RoutineCall {
  return { step, operands: step.operands.map((view) => readView(view, cells)) }
}

/** Lists of numbers among the attributes (one entry per spatial axis). */
export function numbers(step: RoutineStep, name: string): readonly number[] {
  const value = step.attrs[name]
  return Array.isArray(value) ? (value as readonly number[]) : []
}
