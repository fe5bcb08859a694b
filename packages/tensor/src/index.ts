/**
 * The tensor core: lazy tensors, function transforms, the compiler and the contract of its backends.
 * What is not listed here may change at any time.
 */

import { installMethods } from './ops/methods.js'
import { dispose } from './runtime/dispose.js'
import { bytes, data, item, toArray } from './runtime/read.js'

installMethods({ data, bytes, item, toArray, dispose })

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
  TarazedError,
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

// Function transforms
export {
  checkpoint,
  customVjp,
  grad,
  hessian,
  hvp,
  jacfwd,
  jacobian,
  jacrev,
  jvp,
  linearize,
  scan,
  valueAndGrad,
  vjp,
  vmap,
} from './transforms/index.js'
export type {
  ArgumentNumbers,
  Arguments,
  Axes as MappedAxes,
  Cotangents,
  CustomVjpOptions,
  GradientOf,
  GradOptions,
  JacobianOf,
  JacobianOptions,
  ScanOptions,
  TreeFunction,
  VmapOptions,
} from './transforms/index.js'

// Operators
export {
  abs,
  add,
  all,
  any,
  arange,
  argmax,
  argmin,
  argsort,
  avgPool,
  avgPool2d,
  bitcast,
  bitwiseAnd,
  bitwiseNot,
  bitwiseOr,
  bitwiseXor,
  boundedMatmul,
  broadcastTo,
  cast,
  ceil,
  clip,
  concat,
  conv1d,
  conv2d,
  conv3d,
  convTranspose2d,
  cos,
  crossEntropy,
  cummax,
  cummin,
  cumprod,
  cumsum,
  diag,
  div,
  dot,
  dynamicSlice,
  einsum,
  embedding,
  equal,
  erf,
  erfInv,
  exp,
  expandDims,
  expm1,
  eye,
  flip,
  floor,
  fma,
  fromBytes,
  full,
  fullLike,
  gather,
  gelu,
  greater,
  greaterEqual,
  groupNorm,
  groupedMatmul,
  indexSelect,
  isFinite,
  isInf,
  isNaN,
  layerNorm,
  less,
  lessEqual,
  linspace,
  log,
  log1p,
  logSoftmax,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
  logsumexp,
  matmul,
  max,
  maxPool,
  maxPool2d,
  maximum,
  mean,
  min,
  minimum,
  mul,
  neg,
  norm,
  notEqual,
  oneHot,
  ones,
  onesLike,
  outer,
  pad,
  pow,
  prod,
  quantMatmul,
  reciprocal,
  relu,
  rem,
  repeat,
  reshape,
  resize,
  rmsNorm,
  roll,
  rope,
  round,
  rsqrt,
  scalar,
  scaledDotProductAttention,
  scatterAdd,
  shiftLeft,
  shiftRight,
  sigmoid,
  sign,
  silu,
  sin,
  slice,
  softmax,
  softplus,
  sort,
  split,
  sqrt,
  square,
  squeeze,
  stack,
  std,
  stopGradient,
  sub,
  sum,
  swapAxes,
  swiglu,
  takeAlongAxis,
  tanh,
  tensor,
  tile,
  topk,
  transpose,
  tri,
  tril,
  triu,
  trunc,
  unfold,
  unstack,
  updateSlice,
  variance,
  where,
  zeros,
  zerosLike,
} from './ops/index.js'
export type {
  ArgReduction,
  AttentionOptions,
  AvgPoolOptions,
  Axes,
  ConvOptions,
  ConvTransposeOptions,
  CrossEntropyOptions,
  GroupedMatmulOptions,
  CumulativeOptions,
  MaxPoolOptions,
  NestedInput,
  NormOptions,
  NumberArray,
  Operand,
  PadOptions,
  Padding,
  PerAxis,
  PoolOptions,
  QuantWeight,
  Reduction,
  ResizeOptions,
  RopeOptions,
  Slice,
  SortOptions,
  Start,
  TensorInput,
  TensorMethods,
  TensorReaders,
  VarianceOptions,
} from './ops/index.js'
export * as random from './random/index.js'
export { checkOptions } from './ops/options.js'
export { quantWeight } from './ops/quantWeight.js'
export { dequantize, quantize } from './quant.js'
export type { QuantizedArrays } from './quant.js'
export { QUANT_FORMATS } from './program/quant.js'
export type { QuantFormat } from './program/quant.js'
export { bytes, data, item, toArray } from './runtime/read.js'
export { fromNpy, fromNpz, toNpy, toNpz } from './runtime/npyTensors.js'
export { NpyError } from './io/npy.js'
export { dispose } from './runtime/dispose.js'
export { explain } from './runtime/explain.js'

// Backends
export { openReference } from './reference/openReference.js'
export type { ReferenceOptions } from './reference/openReference.js'
export { validateProgram } from './program/validate.js'

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
