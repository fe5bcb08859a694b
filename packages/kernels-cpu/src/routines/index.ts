/** The planner of every routine that this engine has. */
import type { RoutineName } from '@tarazed/tensor'
import { planCopy } from './copy.js'
import { planMatmul } from './matmul.js'
import type { RoutinePlanner } from './plan.js'
import { planScatterAdd } from './scatterAdd.js'

export const routinePlanners: Partial<Record<RoutineName, RoutinePlanner>> = {
  matmul: planMatmul,
  scatterAdd: planScatterAdd,
  copy: planCopy,
}
