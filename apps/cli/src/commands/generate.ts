/** `tarazed generate`: goes on with a text. */
import { type GenerationResult, createGenerator } from '@tarazed/lm'
import type { Command, Context, Values } from '../command.js'
import { UsageFailure } from '../failure.js'
import { RUN_OPTIONS, type Talker, withModel } from '../loadModel.js'
import { readAll } from '../readAll.js'
import { SAMPLING_OPTIONS, samplingOf } from '../samplingOptions.js'

/** Where the model is, as an argument. */
export const MODEL_ARGUMENT = {
  name: 'MODEL',
  about: { en: 'a model folder, or owner/name on the hub', zh: '模型目录，或 Hub 上的 所有者/名称' },
} as const

export const generate: Command = {
  path: ['generate'],
  about: { en: 'let a model go on with a text', zh: '让模型续写文本' },
  arguments: [
    MODEL_ARGUMENT,
    {
      name: 'PROMPT',
      optional: true,
      many: true,
      about: {
        en: 'one or more texts, answered together; without any, what comes in on standard input',
        zh: '一段或多段文本，同时续写；省略时读取标准输入',
      },
    },
  ],
  options: {
    ...SAMPLING_OPTIONS,
    ...RUN_OPTIONS,
    json: { kind: 'flag', about: { en: 'one JSON object for each prompt', zh: '每段文本输出一个 JSON 对象' } },
  },
  examples: [
    {
      line: 'tarazed generate runs/start "Once upon a time" --max-tokens 50',
      about: { en: 'with the model that npm start trained', zh: '使用 npm start 训练的模型' },
    },
    {
      line: 'tarazed generate runs/start "1 + 2 =" "你好" --temperature 0 --json',
      about: { en: 'two prompts, always the same answer', zh: '两段文本，结果固定' },
    },
    { line: 'echo "从前" | tarazed generate runs/start', about: { en: 'from a pipe', zh: '从管道读取' } },
  ],
  async run(values, context) {
    const [model, ...given] = values.positionals
    const prompts = given.length > 0 ? given : [await promptFrom(context)]
    await withModel(model, values, context, (talker) => answer(talker, prompts, values, context))
  },
}

/** A terminal has nothing to give by itself: waiting in silence would look like a fault. */
async function promptFrom({ input, signal }: Context): Promise<string> {
  const text = input.isTTY === true ? '' : (await readAll(input, signal)).replace(/\r?\n$/, '')
  if (text === '')
    throw new UsageFailure({
      en: 'PROMPT is missing: give a text, or pipe one in\nSee tarazed generate --help',
      zh: '缺少 PROMPT：请给出文本，或通过管道传入\n用法见 tarazed generate --help',
    })
  return text
}

async function answer(talker: Talker, prompts: readonly string[], values: Values, context: Context): Promise<void> {
  const { model, tokenizer } = talker
  const generator = createGenerator({ model, tokenizer, stopIds: stopIdsOf(talker) })
  const options = { ...samplingOf(values), signal: context.signal }
  const json = values.flag('json')
  if (prompts.length > 1 || json) {
    const results = await generator.complete(prompts, options)
    for (const result of results) context.out.write(json ? jsonLine(prompts, result) : paragraph(prompts, result))
    return
  }
  const events = generator.generate(prompts, options) // refuses bad options before anything is written
  context.out.write(prompts[0])
  for await (const { text } of events) context.out.write(text)
  context.out.write('\n')
}

/** Ids that end an answer: those of generation_config.json, else of config.json. */
export function stopIdsOf({ generationConfig, config, tokenizer }: Talker): number[] | undefined {
  const named = generationConfig?.eos_token_id ?? config.eos_token_id
  const ids = [named].flat().filter((id): id is number => typeof id === 'number' && id < config.vocab_size)
  const ofTokenizer = tokenizer.eos === undefined ? undefined : tokenizer.tokenToId(tokenizer.eos)
  const all = [...new Set([...ids, ...(ofTokenizer === undefined ? [] : [ofTokenizer])])]
  return all.length > 0 ? all : undefined
}

function jsonLine(prompts: readonly string[], { index, text, finishReason, usage }: GenerationResult): string {
  return `${JSON.stringify({ prompt: prompts[index], text, finishReason, usage })}\n`
}

function paragraph(prompts: readonly string[], { index, text }: GenerationResult): string {
  return `${prompts[index]}${text}\n\n`
}
