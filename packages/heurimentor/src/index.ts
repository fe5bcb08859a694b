/**
 * The training framework HeuriMentor, first part: the adaptive training engine. Checkpoints and logs on disk are in
 * `@tarazed/heurimentor/node`.
 */
export { ConfigError, DivergedError, RunError, type RunErrorFacts } from './errors.js'

// Counting in samples
export { batchSizeAt, batchSizes, checkBatchPlan, type BatchPlan, type BatchRampUp } from './schedule/batchRampUp.js'
export {
  fillLearningRatePlan,
  learningRateAt,
  type FilledLearningRatePlan,
  type LearningRateEvent,
  type LearningRatePlan,
  type LearningRateStyle,
  type WsdStyle,
} from './schedule/learningRate.js'

// Data
export { blend, type BlendPart } from './data/blend.js'
export { joinDocuments, type Document, type Documents } from './data/documents.js'
export { heldOutTokens, type HeldOutOptions } from './data/heldOutTokens.js'
export { packedTokens, type PackingOptions } from './data/packedTokens.js'
export { type SampleSource, type ValidationSet } from './data/sampleSource.js'
export { tokenBatches, type TokenBatch, type TokenSamples } from './data/tokenSamples.js'

// Engine
export { type CheckpointStore, type SaveOptions } from './engine/checkpointStore.js'
export { type Loss, type SummedLoss } from './engine/lossOf.js'
export { type FilledRunPlan, type RunPlan } from './engine/plan.js'
export { type Counters, type HostTensor, type HostTensors, type RunRecord, type Snapshot } from './engine/snapshot.js'
export { train, type Every, type TrainOptions, type TrainResult } from './engine/train.js'
export {
  createTrainer,
  type PlanChanges,
  type StepReport,
  type Trainer,
  type TrainerOptions,
} from './engine/trainer.js'
export { scoreDomains, type DomainScore, type Scored } from './engine/validate.js'

// Log
export {
  joinedEvents,
  parseEvents,
  type BeginEvent,
  type EndEvent,
  type EventLog,
  type EventPlace,
  type PlanEvent,
  type RunEvent,
  type SaveEvent,
  type StepEvent,
  type ValidationEvent,
  type ValidationFigures,
} from './log/events.js'

// Report
export { type LineChart, type Series } from './report/lineChart.js'
export {
  reportHtml,
  type Excerpt,
  type Figure,
  type Report,
  type ReportSection,
  type Table,
} from './report/reportHtml.js'
export { chineseChartWords, englishChartWords, runCharts, type ChartWords } from './report/runCharts.js'
