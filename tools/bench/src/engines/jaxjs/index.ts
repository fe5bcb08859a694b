/** jax-js: one function per bench. */
import type { Measure } from '../../bench.js'
import { measureDispatch } from './dispatch.js'
import { measureElementwise } from './elementwise.js'
import { measureGpt } from './gpt.js'
import { measureLm } from './lm.js'
import { measureMatmul } from './matmul.js'
import { measureMlp } from './mlp.js'

export const measures: Readonly<Record<string, Measure>> = {
  matmul: measureMatmul,
  elementwise: measureElementwise,
  mlp: measureMlp,
  gpt: measureGpt,
  lm: measureLm,
  dispatch: measureDispatch,
}
