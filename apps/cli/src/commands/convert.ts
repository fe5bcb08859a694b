/** `tarazed convert`: checkpoints into another format, number type or cut. */
import { openCheckpoint } from '@tarazed/checkpoint'
import { convertCheckpoint, type TargetDType } from '@tarazed/checkpoint/node'
import type { Command } from '../command.js'
import { MODEL_OPTIONS, openModelFolder } from '../modelFolder.js'
import { type Bar, byteSize, clockTime, createBar } from '../progress.js'

export const convert: Command = {
  path: ['convert'],
  about: {
    en: 'convert a checkpoint: format, number type, size of shards',
    zh: '转换检查点：格式、数值类型、分片大小',
  },
  details: {
    en: 'Reads safetensors, PyTorch .bin and GGUF; writes safetensors (TO is a folder) or GGUF (TO ends in .gguf). Streams:\nmemory stays below 1 GiB whatever the size of the model. Configuration and tokenizer go along.',
    zh: '读取 safetensors、PyTorch .bin 和 GGUF；写出 safetensors（TO 为目录）或 GGUF（TO 以 .gguf 结尾）。流式处理：\n无论模型多大，内存都不超过 1 GiB。配置和分词器一并写出。',
  },
  arguments: [
    {
      name: 'FROM',
      about: { en: 'a model folder, or owner/name on the hub', zh: '模型目录，或 Hub 上的 所有者/名称' },
    },
    { name: 'TO', about: { en: 'a folder, or a file that ends in .gguf', zh: '目录，或以 .gguf 结尾的文件' } },
  ],
  options: {
    dtype: {
      kind: 'text',
      value: 'TYPE',
      choices: ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_k'],
      byDefault: { en: 'as it is', zh: '不变' },
      about: { en: 'number type of the weights; q… are blocks of GGUF', zh: '权重的数值类型；q… 为 GGUF 的分块类型' },
    },
    'shard-size': {
      kind: 'number',
      value: 'GB',
      range: [0.001, 1000],
      byDefault: '5',
      about: { en: 'largest file of safetensors, in 10⁹ bytes', zh: 'safetensors 单个文件的上限，单位 10⁹ 字节' },
    },
    ...MODEL_OPTIONS,
    json: { kind: 'flag', about: { en: 'the written files as JSON', zh: '以 JSON 输出写出的文件' } },
  },
  examples: [
    {
      line: 'tarazed convert AquilaChat2-7B-bin AquilaChat2-7B --dtype bf16',
      about: { en: 'from pickled .bin files to safetensors', zh: '从 .bin 转为 safetensors' },
    },
    {
      line: 'tarazed convert runs/start model.gguf --dtype q8_0',
      about: { en: 'one file for llama.cpp', zh: '得到 llama.cpp 可用的单个文件' },
    },
    {
      line: 'tarazed convert BAAI/Aquila2-34B out --shard-size 2',
      about: { en: 'from the hub, into smaller files', zh: '从 Hub 下载并切成更小的文件' },
    },
  ],
  async run(values, context) {
    const [from, to] = values.positionals
    const folder = await openModelFolder(from, values, context)
    let bar: Bar | undefined
    const onWarning = (message: string) =>
      bar === undefined ? void context.err.write(`${message}\n`) : bar.say(message)
    const checkpoint = await openCheckpoint(folder, { onWarning })
    // A GGUF file brings its own configuration and tokenizer.
    const hasConfig = (await folder.readText('config.json')) !== undefined
    const label = context.say({ en: 'converting', zh: '转换' })
    const began = context.now()
    try {
      const gigabytes = values.number('shard-size')
      const { files } = await convertCheckpoint(checkpoint, context.path(to), {
        dtype: values.text('dtype')?.toUpperCase() as TargetDType | undefined,
        ...(gigabytes !== undefined && { maxShardBytes: Math.round(gigabytes * 1e9) }),
        ...(hasConfig && { files: folder }),
        onWarning,
        onProgress: (progress) => {
          context.signal.throwIfAborted()
          bar ??= createBar(context, { label, total: progress.totalBytes, figure: byteSize })
          bar.show(progress.bytes)
        },
      })
      bar?.end()
      if (values.flag('json')) context.out.write(`${JSON.stringify({ files })}\n`)
      else context.out.write(`${files.join('\n')}\n${clockTime(context.now() - began)}\n`)
    } finally {
      bar?.end()
      await checkpoint.close()
    }
  },
}
