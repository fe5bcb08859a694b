/** `tarazed tokenizer train`: a byte-level BPE in Aquila's layout from one's own text. */
import { join } from 'node:path'
import { replaceFile, makeFolder } from '@tarazed/checkpoint/node'
import { type BpeProgress, trainBpe } from '@tarazed/tokenizer'
import type { Command, Context } from '../command.js'
import { byteSize, clockTime, createBar } from '../progress.js'
import { type TextFile, textFiles, textsOf } from '../textFiles.js'

export const tokenizerTrain: Command = {
  path: ['tokenizer', 'train'],
  about: { en: 'learn a vocabulary from text', zh: '从文本训练分词器' },
  details: {
    en: 'Byte-level BPE in the layout of Aquila: end of text, 256 bytes, merges, eight special tokens. Writes tokenizer.json,\nvocab.json, merges.txt, special_tokens_map.json and tokenizer_config.json, which Hugging Face programs read too.',
    zh: '按 Aquila 的布局训练字节级 BPE：文本结束符、256 个字节、合并规则、八个特殊词元。写出 tokenizer.json、\nvocab.json、merges.txt、special_tokens_map.json 和 tokenizer_config.json，Hugging Face 程序也能读取。',
  },
  arguments: [
    {
      name: 'TEXT',
      many: true,
      about: {
        en: 'files or folders of UTF-8 text; lines of .jsonl files have a "text"',
        zh: 'UTF-8 文本文件或目录；.jsonl 文件每行含 "text"',
      },
    },
  ],
  options: {
    out: {
      kind: 'text',
      value: 'DIR',
      byDefault: 'tokenizer',
      about: { en: 'where to write', zh: '写入的目录' },
    },
    'vocab-size': {
      kind: 'integer',
      value: 'N',
      range: [300, 1_000_000],
      byDefault: '32000',
      about: { en: 'tokens in all', zh: '词元总数' },
    },
    'min-frequency': {
      kind: 'integer',
      value: 'N',
      range: [1, 1_000_000_000],
      byDefault: '2',
      about: { en: 'rarer pairs never become tokens', zh: '更少见的组合不会成为词元' },
    },
    json: { kind: 'flag', about: { en: 'the figures as JSON', zh: '以 JSON 输出结果' } },
  },
  examples: [
    {
      line: 'tarazed tokenizer train corpus/ --vocab-size 8000 --out my-tokenizer',
      about: { en: 'from a folder of text', zh: '用一个目录的文本训练' },
    },
    {
      line: 'tarazed tokenizer train en.jsonl zh.jsonl',
      about: { en: 'from two files of one JSON object a line', zh: '用两个 JSONL 文件训练' },
    },
  ],
  async run(values, context) {
    const files = await textFiles(values.positionals.map(context.path))
    const out = context.path(values.text('out') ?? 'tokenizer')
    await makeFolder(out) // a folder that cannot be written is found out now
    const began = context.now()
    const bar = createTrainingBar(files, context)
    const trained = await trainBpe(allTexts(files), {
      vocabSize: values.number('vocab-size') ?? 32000,
      minFrequency: values.number('min-frequency') ?? 2,
      onProgress: bar.show,
      signal: context.signal,
    }).finally(bar.end)
    for (const [name, text] of Object.entries(trained.files())) await replaceFile(join(out, name), text)
    const { vocabSize, merges, distinctPieces } = trained
    if (values.flag('json')) {
      const seconds = (context.now() - began) / 1000
      context.out.write(`${JSON.stringify({ out, vocabSize, merges, distinctPieces, seconds })}\n`)
      return
    }
    context.out.write(
      context.say({
        en: `${vocabSize} tokens from ${files.length} files, ${distinctPieces.toLocaleString('en')} different words, in ${clockTime(context.now() - began)}: ${out}\n`,
        zh: `${files.length} 个文件，${distinctPieces.toLocaleString('en')} 个不同的词，得到 ${vocabSize} 个词元，用时 ${clockTime(context.now() - began)}：${out}\n`,
      }),
    )
  },
}

async function* allTexts(files: readonly TextFile[]): AsyncGenerator<string> {
  for (const file of files) yield* textsOf(file)
}

/** Counting is told by the text read so far, whose end is known by its bytes only; merging by merges. */
function createTrainingBar(files: readonly TextFile[], context: Context) {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0)
  const labels = { count: { en: 'reading', zh: '读取' }, merge: { en: 'merging', zh: '合并' } }
  let bar: ReturnType<typeof createBar> | undefined
  let phase: BpeProgress['phase'] | undefined
  return {
    show: (progress: BpeProgress) => {
      if (phase !== progress.phase) {
        bar?.end()
        phase = progress.phase
        const counting = phase === 'count'
        const total = counting ? bytes : (progress.total ?? 0)
        bar = createBar(context, { label: context.say(labels[phase]), total, figure: counting ? byteSize : String })
      }
      bar?.show(progress.done)
    },
    end: () => bar?.end(),
  }
}
