/** Tools for tests of tensors and backends. */
export { checkGrad, type CheckInput, type GradCheckOptions } from './gradCheck.js'
export { interpret, type Bindings, type InterpretOptions } from './interpret.js'
export { seededRandom } from './random.js'
export { randomGraph, type RandomGraph, type RandomGraphOptions } from './randomGraph.js'
export { backendSuite } from './suite.js'
export type { SuiteOptions, TestKit } from './suite/context.js'
export {
  compare,
  DTYPE_TOLERANCE,
  EXACT,
  GRAPH,
  MATH_FACTOR,
  scaled,
  ulpError,
  type Comparison,
  type Tolerance,
} from './tolerances.js'
