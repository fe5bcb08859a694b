import type { RoutineName, RoutineStep } from '../../program/ir.js'
import type { Cell } from '../cell.js'
import { writeView } from '../views.js'
import { attention, attentionGrad } from './attention.js'
import { readOperands, type RoutineCall, type RoutineResults } from './context.js'
import { conv, matmul, quantMatmul } from './contractions.js'
import { groupedMatmul, groupedQuantMatmul } from './groups.js'
import { copy, cumulative, scatterAdd, sort } from './lines.js'

const ROUTINES: Readonly<Record<RoutineName, (call: RoutineCall) => RoutineResults>> = {
  matmul,
  groupedMatmul,
  quantMatmul,
  groupedQuantMatmul,
  conv,
  attention,
  attentionGrad,
  scatterAdd,
  sort,
  cumulative,
  copy,
}

/** Reads the operands, computes in float64, rounds every result once. The epilogue is the caller's. */
export function runRoutine(step: RoutineStep, cells: readonly Cell[], float64: boolean): void {
  const results = ROUTINES[step.name](readOperands(step, cells))
  step.results.forEach((view, k) => writeView(view, results[k], cells, float64))
}
