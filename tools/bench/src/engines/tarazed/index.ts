/** Our own engine: one function per bench. */
import type { Measure } from '../../bench.js'
import { measureDecodeInt4 } from './decodeInt4.js'
import { measureDispatch } from './dispatch.js'
import { measureElementwise } from './elementwise.js'
import { measureGpt } from './gpt.js'
import { measureLm } from './lm.js'
import { measureMatmul } from './matmul.js'
import { measureMemory } from './memory.js'
import { measureMlp } from './mlp.js'
import { measureOurTokenizer } from './tokenizer.js'

export const measures: Readonly<Record<string, Measure>> = {
  matmul: measureMatmul,
  elementwise: measureElementwise,
  mlp: measureMlp,
  gpt: measureGpt,
  lm: measureLm,
  dispatch: measureDispatch,
  memory: measureMemory,
  'decode-int4': measureDecodeInt4,
  tokenizer: measureOurTokenizer,
}
