/**
 * The tensor core: lazy tensors, function transforms, the compiler and the contract of its backends.
 * What is not listed here may change at any time.
 */

// Vocabulary
export { DTYPES, dtypeBytes, isFloat, isInteger, scalarTypeOf } from './dtype.js'
export type { DType, ScalarType } from './dtype.js'
export {
  AllocationError,
  ArgumentError,
  BackendUnavailableError,
  DisposedError,
  DonatedError,
  DTypeError,
  FailedError,
  InternalError,
  NumericsError,
  ShapeError,
  TracedValueError,
} from './errors.js'
export { Tensor } from './graph/tensor.js'
export type { TensorState } from './graph/tensor.js'
export { flattenTree, mapTree } from './pytree.js'
export type { Tree, TreeDef, TreeNode } from './pytree.js'

// Running
export { setDefaultBackend, getDefaultBackend } from './runtime/defaultBackend.js'
export { evaluate } from './runtime/evaluate.js'
export { compile } from './transforms/compile.js'
export type { CompiledFunction, CompileOptions, CompileStats } from './transforms/compile.js'
export { checkNumerics } from './runtime/checkNumerics.js'
export { profile } from './runtime/profile.js'
export type { Profile, ProfiledStep, Roofline } from './runtime/profile.js'
export { collectGarbage, memoryReport, setMemorySlack } from './runtime/memory.js'
export { explainProgram } from './compiler/explain.js'
export type { TensorData } from './runtime/hostBytes.js'
export type { NestedArray } from './runtime/read.js'

// For backends
export { lowerMath } from './compiler/lowerMath.js'
export { MATMUL_K_BLOCK, ROUTINE_NAMES } from './program/routines.js'
export { REDUCE_BLOCK, REDUCE_LANES } from './program/ir.js'
export type {
  Access,
  BinaryExprOp,
  CollectiveStep,
  Expr,
  FusedStep,
  Level,
  LoopInput,
  LoopOutput,
  LoopStep,
  MathFunction,
  Program,
  ReduceKind,
  RoutineAttrs,
  RoutineName,
  RoutineStep,
  Slot,
  Step,
  Store,
  UnaryExprOp,
  View,
} from './program/ir.js'
export type {
  Backend,
  BackendCapabilities,
  BackendCounters,
  DeviceBuffer,
  Executable,
  RunBindings,
  StepProfile,
} from './program/backend.js'
