/** All benches by name. */
import type { Bench } from '../bench.js'
import { decodeInt4 } from './decodeInt4.js'
import { dispatch } from './dispatch.js'
import { elementwise } from './elementwise.js'
import { gpt } from './gpt.js'
import { lm } from './lm.js'
import { matmul } from './matmul.js'
import { memory } from './memory.js'
import { mlp } from './mlp.js'

export const benches: Readonly<Record<string, Bench>> = {
  matmul,
  elementwise,
  mlp,
  gpt,
  lm,
  dispatch,
  memory,
  'decode-int4': decodeInt4,
}
