/** The planner of every routine that this engine has. */
import type { RoutineName } from '@tarazed/tensor'
import { planAttention, planAttentionGrad } from './attention.js'
import { planConv } from './conv.js'
import { planCopy } from './copy.js'
import { planCumulative } from './cumulative.js'
import { planGroupedMatmul } from './groupedMatmul.js'
import { planMatmul } from './matmul.js'
import { planGroupedQuantMatmul } from './groupedQuant.js'
import type { RoutinePlanner } from './plan.js'
import { planQuantMatmul } from './quantMatmul.js'
import { planScatterAdd } from './scatterAdd.js'
import { planSort } from './sort.js'

export const routinePlanners: Record<RoutineName, RoutinePlanner> = {
  matmul: planMatmul,
  groupedMatmul: planGroupedMatmul,
  quantMatmul: planQuantMatmul,
  groupedQuantMatmul: planGroupedQuantMatmul,
  attention: planAttention,
  attentionGrad: planAttentionGrad,
  conv: planConv,
  scatterAdd: planScatterAdd,
  sort: planSort,
  cumulative: planCumulative,
  copy: planCopy,
}
