/** `tarazed chat`: a conversation in the terminal. */
import { createInterface } from 'node:readline/promises'
import { ChatError, type ChatMessage, ContextLengthError, createGenerator } from '@tarazed/lm'
import { chatTemplateOf, TEMPLATE_NAMES } from '../chatTemplateOf.js'
import type { Command, Context, Values } from '../command.js'
import { EXIT } from '../failure.js'
import { RUN_OPTIONS, type Talker, withModel } from '../loadModel.js'
import { SAMPLING_OPTIONS, samplingOf } from '../samplingOptions.js'
import { MODEL_ARGUMENT, stopIdsOf } from './generate.js'

export const chat: Command = {
  path: ['chat'],
  about: { en: 'talk with a model', zh: '与模型对话' },
  details: {
    en: 'Every line is a message; an empty line, Ctrl-D or Ctrl-C ends the talk. Lines from a pipe are answered one after another.\nThe oldest messages are left out when the context is full.',
    zh: '每行一条消息；空行、Ctrl-D 或 Ctrl-C 结束对话。管道中的各行依次回答。\n上下文写满时省略最早的消息。',
  },
  arguments: [MODEL_ARGUMENT],
  options: {
    system: { kind: 'text', value: 'TEXT', about: { en: 'what the model is told first', zh: '系统消息' } },
    template: {
      kind: 'text',
      value: 'NAME',
      choices: TEMPLATE_NAMES,
      byDefault: { en: 'by the folder or name of the model', zh: '按模型目录或名称' },
      about: { en: 'how messages are written for the model', zh: '消息的书写格式' },
    },
    ...SAMPLING_OPTIONS,
    ...RUN_OPTIONS,
    json: { kind: 'flag', about: { en: 'one JSON object for each answer', zh: '每个回答输出一个 JSON 对象' } },
  },
  examples: [
    {
      line: 'tarazed chat BAAI/AquilaChat2-7B --dtype bf16',
      about: { en: 'a published model, if memory holds it', zh: '已发布的模型（需要足够的内存）' },
    },
    {
      line: 'echo "Where is the Yangtze?" | tarazed chat MODEL --temperature 0 --json',
      about: { en: 'one question from a pipe', zh: '从管道提一个问题' },
    },
    {
      line: 'tarazed chat MODEL --template aquila-v1',
      about: { en: 'for a context too small for the long system text', zh: '上下文较小、放不下较长的系统文本时' },
    },
  ],
  async run(values, context) {
    const all = await withModel(values.positionals[0], values, context, (talker) => converse(talker, values, context))
    return all ? EXIT.done : EXIT.failed
  },
}

/** @returns whether every message got an answer */
async function converse(talker: Talker, values: Values, context: Context): Promise<boolean> {
  const { model, tokenizer } = talker
  const template = await chatTemplateOf(
    talker,
    values.text('template'),
    (notice) => void context.err.write(`${notice}\n`),
  )
  const generator = createGenerator({ model, tokenizer, template, stopIds: stopIdsOf(talker) })
  const system = values.text('system')
  const messages: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  let refused = false
  for await (const line of linesOf(context)) {
    messages.push({ role: 'user', content: line })
    try {
      const answer = await answerTo(generator, messages, values, context)
      messages.push({ role: 'assistant', content: answer })
    } catch (error) {
      // The message is too long, or the template refuses it: the talk goes on without it.
      if (!(error instanceof ContextLengthError || error instanceof ChatError)) throw error
      messages.pop()
      refused = true
      context.err.write(`${error.message}\n`)
    }
  }
  return !refused
}

/** Messages of the user, with a prompt where a person types them. */
async function* linesOf({ input, err, signal, say }: Context): AsyncGenerator<string> {
  const atTerminal = input.isTTY === true
  const reader = createInterface({ input, terminal: false })
  const cue = () => (atTerminal ? void err.write(say({ en: 'you> ', zh: '你> ' })) : undefined)
  const close = () => reader.close()
  signal.addEventListener('abort', close, { once: true })
  try {
    cue()
    for await (const line of reader) {
      if (line.trim() === '') {
        if (atTerminal) return
        continue
      }
      yield line
      cue()
    }
  } finally {
    signal.removeEventListener('abort', close)
    reader.close()
  }
}

async function answerTo(
  generator: ReturnType<typeof createGenerator>,
  messages: readonly ChatMessage[],
  values: Values,
  context: Context,
): Promise<string> {
  const { out, err, signal, say } = context
  const json = values.flag('json')
  const onDropped = (pairs: number) =>
    err.write(
      say({ en: `(the first ${pairs} pairs of messages no longer fit)\n`, zh: `（最早的 ${pairs} 组消息已放不下）\n` }),
    )
  let answer = ''
  for await (const { text, result } of generator.chat(messages, { ...samplingOf(values), signal, onDropped })) {
    answer += text
    if (!json) out.write(text)
    else if (result !== undefined)
      out.write(`${JSON.stringify({ answer: result.text, finishReason: result.finishReason, usage: result.usage })}\n`)
  }
  if (!json) out.write('\n')
  return answer
}
