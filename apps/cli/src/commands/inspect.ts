/** `tarazed inspect`: what a model is, what it takes, and what is odd about its files. Nothing is loaded. */
import { type Aquila2Config, catalogue, catalogueEntry, configs, contextLength, templateOf } from '@tarazed/aquila2'
import type { Command, Context, Values } from '../command.js'
import { Failure, UsageFailure } from '../failure.js'
import type { Text } from '../language.js'
import { type Inspection, inspectFolder } from '../inspection.js'
import { type MemoryPlan, memoryPlan } from '../memoryPlan.js'
import { MODEL_OPTIONS, openModelFolder } from '../modelFolder.js'
import { nearest } from '../nearest.js'
import { byteSize } from '../progress.js'

export const inspect: Command = {
  path: ['inspect'],
  about: {
    en: 'what a model is, the memory it takes, and what is odd about its files',
    zh: '查看模型的结构、所需内存，以及文件中的异常',
  },
  details: {
    en: 'Reads config.json and the headers of the weights, and compares them: where they differ the tensors win, and a warning says so.',
    zh: '读取 config.json 和权重文件头并互相比较：不一致时以张量为准，并给出警告。',
  },
  arguments: [
    {
      name: 'PATH',
      optional: true,
      about: { en: 'a model folder, or owner/name on the hub', zh: '模型目录，或 Hub 上的 所有者/名称' },
    },
  ],
  options: {
    model: {
      kind: 'text',
      value: 'NAME',
      about: {
        en: 'a published or built-in model instead, without any files',
        zh: '改为查看已发布或内置的模型，无需任何文件',
      },
    },
    context: {
      kind: 'integer',
      value: 'N',
      range: [1, 10_000_000],
      byDefault: { en: 'as configured', zh: '按配置' },
      about: { en: 'tokens of one sequence, for the memory plan', zh: '每个序列的词元数，用于内存估算' },
    },
    batch: {
      kind: 'integer',
      value: 'N',
      range: [1, 1_000_000],
      byDefault: '1',
      about: { en: 'sequences at once, for the memory plan', zh: '并行序列数，用于内存估算' },
    },
    ...MODEL_OPTIONS,
    json: { kind: 'flag', about: { en: 'everything as JSON, in bytes', zh: '以 JSON 输出全部内容，单位为字节' } },
  },
  examples: [
    {
      line: 'tarazed inspect --model aquila2-34b',
      about: { en: 'what the published 34B takes, before a download', zh: '下载前先看 34B 模型需要多少内存' },
    },
    { line: 'tarazed inspect runs/start', about: { en: 'a model on this disk', zh: '查看本机上的模型' } },
    {
      line: 'tarazed inspect BAAI/AquilaChat2-7B --json',
      about: { en: 'a repository of the hub, headers only', zh: '查看 Hub 仓库，只读取文件头' },
    },
  ],
  async run(values, context) {
    const inspection = await inspected(values, context)
    const { config } = inspection
    const options = { context: values.number('context'), batch: values.number('batch') }
    const plan = memoryPlan(config, options)
    if (values.flag('json')) {
      const { name: template } = templateOf(inspection.name)
      const whole = { ...inspection, contextLength: contextLength(config), template, ...plan }
      context.out.write(`${JSON.stringify(whole, null, 2)}\n`)
    } else {
      context.out.write(described(inspection, plan, context))
    }
  },
}

async function inspected(values: Values, context: Context): Promise<Inspection> {
  const model = values.text('model')
  const [path] = values.positionals
  if ((model === undefined) === (path === undefined))
    throw new UsageFailure({
      en: 'Give a PATH or --model NAME\nSee tarazed inspect --help',
      zh: '请给出 PATH 或 --model NAME\n用法见 tarazed inspect --help',
    })
  if (model !== undefined) return builtIn(model)
  return inspectFolder(await openModelFolder(path, values, context))
}

function builtIn(name: string): Inspection {
  const published = catalogueEntry(name)
  if (published !== undefined) return { name: published.name, config: published.config, warnings: [] }
  const key = name.toLowerCase()
  if (Object.hasOwn(configs, key)) return { name: key, config: configs[key as keyof typeof configs], warnings: [] }
  const known = [...Object.keys(configs), ...catalogue.map((entry) => entry.name)]
  const near = nearest(name, known)
  throw new Failure({
    en: `There is no model called "${name}"${near === undefined ? '' : `; did you mean ${near}?`} Known: ${known.join(', ')}`,
    zh: `没有名为 "${name}" 的模型${near === undefined ? '' : `；是否想用 ${near}？`} 已知：${known.join('、')}`,
  })
}

function described(inspection: Inspection, plan: MemoryPlan, { say }: Context): string {
  const { name, config, warnings, files } = inspection
  const lines = [
    name,
    ...shapeLines(config, plan, say),
    '',
    ...memoryLines(plan, say),
    ...(files === undefined ? [] : ['', filesLine(files, say)]),
    ...(warnings.length === 0 ? [] : ['', say({ en: 'Warnings', zh: '警告' })]),
    ...warnings.map(({ message }) => `  ! ${message}`),
  ]
  return `${lines.join('\n')}\n`
}

type Say = Context['say']

function shapeLines(config: Aquila2Config, { parameters }: MemoryPlan, say: Say): string[] {
  const { num_hidden_layers: layers, hidden_size: hidden, intermediate_size: ffn, vocab_size: vocabulary } = config
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = config
  const count = parameters.total.toLocaleString('en')
  const context = contextLength(config).toLocaleString('en')
  return [
    say({ en: `  ${count} parameters`, zh: `  ${count} 个参数` }),
    say({
      en: `  ${layers} layers, hidden ${hidden}, feed-forward ${ffn}, ${heads} heads over ${kvHeads} key/value heads`,
      zh: `  ${layers} 层，隐藏宽度 ${hidden}，前馈宽度 ${ffn}，${heads} 个注意力头，${kvHeads} 个键值头`,
    }),
    say({
      en: `  vocabulary ${vocabulary}, context ${context} tokens`,
      zh: `  词表 ${vocabulary}，上下文 ${context} 个词元`,
    }),
  ]
}

const BEYOND_CPU: Text = { en: 'more than the 4 GiB of the CPU engine', zh: '超过 CPU 引擎的 4 GiB' }

function memoryLines({ weights, kvCache, training }: MemoryPlan, say: Say): string[] {
  const rows = weights.map(({ dtype, bytes, withCacheBytes, beyondCpu }) => {
    const columns = [`  ${dtype.padEnd(5)}`, byteSize(bytes).padStart(11), byteSize(withCacheBytes).padStart(11)]
    return [...columns, beyondCpu ? say(BEYOND_CPU) : ''].join('  ').trimEnd()
  })
  const { bytesPerToken, context, batch } = kvCache
  return [
    say({
      en: `Memory (key/value cache of ${batch} × ${context} tokens at 16 bits, ${bytesPerToken.toLocaleString('en')} bytes a token)`,
      zh: `内存（16 位键值缓存 ${batch} × ${context} 个词元，每个词元 ${bytesPerToken.toLocaleString('en')} 字节）`,
    }),
    `         ${say({ en: '   weights   with cache', zh: '    权重    含缓存' })}`,
    ...rows,
    say({
      en: `  training with Adam in mixed precision: ${byteSize(training.adamBytes)} and activations`,
      zh: `  混合精度 Adam 训练：${byteSize(training.adamBytes)}，另加激活值`,
    }),
  ]
}

function filesLine({ format, tensors, bytes, dtypes }: NonNullable<Inspection['files']>, say: Say): string {
  const kinds = Object.entries(dtypes)
    .map(([dtype, count]) => `${count} × ${dtype}`)
    .join(', ')
  return say({
    en: `Files: ${format}, ${tensors} tensors (${kinds}), ${byteSize(bytes)}`,
    zh: `文件：${format}，${tensors} 个张量（${kinds}），${byteSize(bytes)}`,
  })
}
