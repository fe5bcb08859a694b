/** The routine library: every export does work items begin … end-1 of one stage (src/routines/plan.ts). */
export { attention3, attention4, attention5 } from './attention'
export {
  attentionAllGrads6,
  attentionAllGrads7,
  attentionAllGrads8,
  attentionDelta6,
  attentionDelta7,
  attentionDelta8,
  attentionKeyGrad6,
  attentionKeyGrad7,
  attentionKeyGrad8,
  attentionQueryGrad6,
  attentionQueryGrad7,
  attentionQueryGrad8,
} from './attentionGrad'
export { ceilingCopy, ceilingMultiplyAdd } from './ceilings'
export { convBlock, convPack } from './conv'
export { copy } from './copy'
export { cumulative } from './cumulative'
export { groupedDepth, groupedRows } from './groupedMatmul'
export { groupedQuantBlocks4, groupedQuantBlocks5, groupedQuantPrepare4, groupedQuantPrepare5 } from './groupedQuant'
export { matmulBlock, matmulPack } from './matmul'
export { matmulI32 } from './matmulI32'
export { matvec } from './matvec'
export {
  quantPack3,
  quantPack4,
  quantPanels3,
  quantPanels4,
  quantPrepare3,
  quantPrepare4,
  quantVector3,
  quantVector4,
} from './quantMatmul'
export { scatterCopy, scatterFloat, scatterInteger, scatterNarrow, scatterWiden } from './scatterAdd'
export { sort } from './sort'
