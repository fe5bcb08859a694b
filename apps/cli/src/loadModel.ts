/** A model in memory, on an engine that is closed again. */
import { type Pretrained, fromPretrained } from '@tarazed/aquila2'
import type { Folder } from '@tarazed/checkpoint'
import { openCpu } from '@tarazed/kernels-cpu'
import { setDefaultBackend } from '@tarazed/tensor'
import type { Context, Option, Values } from './command.js'
import { Failure } from './failure.js'
import { MODEL_OPTIONS, openModelFolder } from './modelFolder.js'
import { type Bar, byteSize, createBar } from './progress.js'

/** Of every command that computes. */
export const THREADS: Option = {
  kind: 'integer',
  value: 'N',
  range: [1, 64],
  byDefault: { en: 'all', zh: '全部' },
  about: { en: 'processor threads', zh: '线程数' },
}

/** Options of commands that run a model. */
export const RUN_OPTIONS: Readonly<Record<string, Option>> = {
  threads: THREADS,
  dtype: {
    kind: 'text',
    value: 'TYPE',
    choices: ['f32', 'bf16', 'f16'],
    byDefault: { en: 'as stored', zh: '按文件' },
    about: { en: 'number format of the weights in memory', zh: '权重在内存中的数值格式' },
  },
  ...MODEL_OPTIONS,
}

/** What a command that talks needs: a model and its tokenizer. */
export type Talker = Pretrained & { readonly tokenizer: NonNullable<Pretrained['tokenizer']> }

/** Loads the model with progress, runs `work`, and closes the engine whatever happens. */
export async function withModel<Result>(
  written: string,
  values: Values,
  context: Context,
  work: (talker: Talker) => Promise<Result>,
): Promise<Result> {
  const folder = await openModelFolder(written, values, context)
  const backend = await openCpu({ threads: values.number('threads') })
  setDefaultBackend(backend)
  try {
    const loaded = await load(folder, values, context)
    const { tokenizer } = loaded
    if (tokenizer === undefined)
      throw new Failure({
        en: `${folder.name} has no tokenizer (tokenizer.json, or vocab.json and merges.txt)`,
        zh: `${folder.name} 中没有分词器（tokenizer.json，或 vocab.json 与 merges.txt）`,
      })
    return await work({ ...loaded, tokenizer })
  } finally {
    await backend.close()
  }
}

async function load(folder: Folder, values: Values, context: Context): Promise<Pretrained> {
  const label = context.say({ en: 'loading', zh: '加载' })
  let bar: Bar | undefined
  try {
    return await fromPretrained(folder, {
      dtype: values.text('dtype') as WeightDType | undefined,
      onWarning: (message) => (bar === undefined ? void context.err.write(`${message}\n`) : bar.say(message)),
      onProgress: ({ bytes, totalBytes }) => {
        bar ??= createBar(context, { label, total: totalBytes, figure: byteSize })
        bar.show(bytes)
      },
      signal: context.signal,
    })
  } finally {
    bar?.end()
  }
}

type WeightDType = 'f32' | 'bf16' | 'f16'
