/** The routine library: every export does work items begin … end-1 of one stage (src/routines/plan.ts). */
export { convBlock, convPack } from './conv'
export { copy } from './copy'
export { cumulative } from './cumulative'
export { matmulBlock, matmulPack } from './matmul'
export { matmulI32 } from './matmulI32'
export { matvec } from './matvec'
export { scatterCopy, scatterFloat, scatterInteger, scatterNarrow, scatterWiden } from './scatterAdd'
export { sort } from './sort'
