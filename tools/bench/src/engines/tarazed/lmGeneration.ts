import { createGenerator, type TextGenerator } from '@tarazed/lm'
import { evaluate } from '@tarazed/tensor'
import type { EngineOptions, Measurements } from '../../bench.js'
import { DECODE, NEW_TOKENS, PREFILL, PROMPT_TOKENS } from '../../benches/lmGeneration.js'
import { LM } from '../../benches/lmTraining.js'
import { bestMilliseconds, randomIds } from '../../timing.js'
import { lmModel } from './lmTraining.js'
import { open } from './open.js'

/** Tokens per second of reading a prompt and of every token after the first; the best token by arg max. */
export async function measureLmGeneration(options: EngineOptions): Promise<Measurements> {
  await open(options)
  const model = lmModel(LM)
  await evaluate(model)
  const generator = createGenerator({ model })
  const prompt = [...randomIds(PROMPT_TOKENS, 3, LM.vocabulary)]
  let prefill = Infinity
  let decode = Infinity
  await bestMilliseconds(async () => {
    const { first, rest } = await answer(generator, prompt)
    prefill = Math.min(prefill, first)
    decode = Math.min(decode, rest)
  }, 2000)
  return { [PREFILL]: (1000 * PROMPT_TOKENS) / prefill, [DECODE]: (1000 * (NEW_TOKENS - 1)) / decode }
}

/** Milliseconds until the first token of an answer, and from there to its last one. */
async function answer(generator: TextGenerator, prompt: readonly number[]): Promise<{ first: number; rest: number }> {
  const start = performance.now()
  let firstAt = start
  let tokens = 0
  for await (const { id } of generator.generate([prompt], { maxNewTokens: NEW_TOKENS, temperature: 0 })) {
    if (id === null) continue
    tokens++
    if (tokens === 1) firstAt = performance.now()
  }
  if (tokens !== NEW_TOKENS) throw new Error(`lm: ${NEW_TOKENS} tokens were asked for, got ${tokens}`)
  return { first: firstAt - start, rest: performance.now() - firstAt }
}
