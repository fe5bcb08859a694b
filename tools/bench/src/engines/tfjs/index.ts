/** TensorFlow.js: one function per bench. */
import type { Measure } from '../../bench.js'
import { measureDispatch } from './dispatch.js'
import { measureElementwise } from './elementwise.js'
import { measureMatmul } from './matmul.js'
import { measureMlp } from './mlp.js'

export const measures: Readonly<Record<string, Measure>> = {
  matmul: measureMatmul,
  elementwise: measureElementwise,
  mlp: measureMlp,
  dispatch: measureDispatch,
}
