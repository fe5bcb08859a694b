/** Optimisers, schedules and what belongs to a training step. */
export { accumulateGradients } from './accumulate.js'
export { adafactor, type AdafactorOptions } from './adafactor.js'
export { adam, adamw, type AdamOptions } from './adam.js'
export { adamw8bit, type Adamw8bitOptions } from './adamw8bit.js'
export { clipByGlobalNorm, clipByValue, globalNorm } from './clip.js'
export { ema, type Ema, type EmaOptions, type EmaState } from './ema.js'
export { lion, type LionOptions } from './lion.js'
export {
  anyNonFinite,
  keepIf,
  lossScaling,
  type LossScaling,
  type LossScalingOptions,
  type LossScalingState,
} from './lossScaling.js'
export { withMasters } from './masters.js'
export { castFloats, mixedPrecision, type MixedPrecisionOptions } from './mixedPrecision.js'
export { muon, newtonSchulz, type MuonOptions, type NewtonSchulzOptions } from './muon.js'
export {
  matricesOnly,
  optimizerFrom,
  type CommonOptions,
  type DecayFor,
  type NamedTensors,
  type OneParameter,
  type OneUpdate,
  type Optimizer,
  type OptimizerState,
  type ParameterRule,
  type SlotShapes,
  type UpdateClock,
} from './optimizer.js'
export { partitioned } from './partitioned.js'
export {
  constant,
  cosine,
  inverseSqrt,
  linear,
  rateAt,
  wsd,
  type DecayOptions,
  type Rate,
  type Schedule,
  type WarmupOptions,
  type WsdOptions,
} from './schedule.js'
export { sgd, type SgdOptions } from './sgd.js'
