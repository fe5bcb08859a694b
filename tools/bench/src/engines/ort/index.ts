/** onnxruntime-web: one function per bench. It has no gradients, so it takes no part in training. */
import type { Measure } from '../../bench.js'
import { measureElementwise } from './elementwise.js'
import { measureMatmul } from './matmul.js'

export const measures: Readonly<Record<string, Measure>> = { matmul: measureMatmul, elementwise: measureElementwise }
