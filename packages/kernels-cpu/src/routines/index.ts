/** The planner of every routine that this engine has. */
import type { RoutineName } from '@tarazed/tensor'
import { planConv } from './conv.js'
import { planCopy } from './copy.js'
import { planCumulative } from './cumulative.js'
import { planMatmul } from './matmul.js'
import type { RoutinePlanner } from './plan.js'
import { planScatterAdd } from './scatterAdd.js'
import { planSort } from './sort.js'

export const routinePlanners: Partial<Record<RoutineName, RoutinePlanner>> = {
  matmul: planMatmul,
  conv: planConv,
  scatterAdd: planScatterAdd,
  sort: planSort,
  cumulative: planCumulative,
  copy: planCopy,
}
