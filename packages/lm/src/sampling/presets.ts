/** Settings that go with an order, and those of published runs. */
import { type SamplingOrder, type SamplingRules } from './rules.js'

/** What generation takes for rules that a caller leaves out. */
export const ORDER_DEFAULTS: Readonly<
  Record<SamplingOrder, Required<Pick<SamplingRules, 'temperature' | 'topK' | 'topP'>>>
> = {
  aquila: { temperature: 1, topK: 15, topP: 0.9 },
  hf: { temperature: 1, topK: 0, topP: 1 },
  aquila1: { temperature: 0.8, topK: 30, topP: 0.95 },
}

/** Aquila-1 counts prompt and answer together. */
export const AQUILA1_CONTEXT = 2048

/**
 * Options of `generate` by name: `predict`, the reference's defaults; `readme`, its README; `objective` and `subjective`, the
 * test settings of the paper's Table 5; `aquila1`, those of Aquila-1, with its stop strings.
 *
 * @source arXiv 2408.07410, Table 5; the repositories Aquila2 and FlagAI
 */
export const samplingPresets = {
  predict: { order: 'aquila', topP: 0.9, topK: 15, temperature: 1, maxNewTokens: 200, seed: 123 },
  readme: { order: 'aquila', topP: 0.95, topK: 100, temperature: 0.9, seed: 1234 },
  objective: { order: 'aquila', topP: 0.95, topK: 1, temperature: 0.9, maxNewTokens: 1, seed: 123 },
  subjective: { order: 'aquila', topP: 0.9, topK: 15, temperature: 1, maxNewTokens: 512, seed: 123 },
  aquila1: { order: 'aquila1', temperature: 0.8, topK: 30, topP: 0.95, stop: ['###', '[UNK]'] },
} as const
