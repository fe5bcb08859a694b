/** `tarazed tokenizer report`: how well a tokenizer fits texts. */
import { type LanguageReport, tokenReport } from '@tarazed/tokenizer'
import { columnsOf, padToColumns } from '../columns.js'
import type { Command, Context } from '../command.js'
import type { Text } from '../language.js'
import { MODEL_OPTIONS } from '../modelFolder.js'
import { textFiles, textsOf } from '../textFiles.js'
import { TOKENIZER_ARGUMENT, loadTokenizerOf } from './tokenizerEncode.js'

export const tokenizerReport: Command = {
  path: ['tokenizer', 'report'],
  about: { en: 'tokens per sentence and language', zh: '统计各语言每句的词元数' },
  arguments: [
    TOKENIZER_ARGUMENT,
    { name: 'TEXT', many: true, about: { en: 'files or folders of UTF-8 text', zh: 'UTF-8 文本文件或目录' } },
  ],
  options: {
    sentences: {
      kind: 'text',
      value: 'HOW',
      choices: ['text', 'line', 'whole'],
      byDefault: 'text',
      about: {
        en: 'where sentences end: at their marks, with each line, or with each text',
        zh: '句子的划分：按标点、按行或整段',
      },
    },
    ...MODEL_OPTIONS,
    json: { kind: 'flag', about: { en: 'as JSON', zh: '以 JSON 输出' } },
  },
  examples: [
    {
      line: 'tarazed tokenizer report runs/start corpus/',
      about: { en: 'the vocabulary that npm start made', zh: 'npm start 得到的词表' },
    },
  ],
  async run(values, context) {
    const [folder, ...paths] = values.positionals
    const tokenizer = await loadTokenizerOf(folder, values, context)
    const texts: string[] = []
    for (const file of await textFiles(paths.map(context.path)))
      for await (const text of textsOf(file)) texts.push(text)
    const report = tokenReport(tokenizer, texts, { sentences: values.text('sentences') as 'text' | undefined })
    if (values.flag('json')) return void context.out.write(`${JSON.stringify(report, null, 2)}\n`)
    const { languages, all, usedTokens, vocabSize } = report
    const rows = Object.entries({ ...languages, ...(all && { all }) }).map(([name, row]) => rowOf(name, row, context))
    context.out.write(table([HEAD.map(context.say), ...rows]))
    context.out.write(
      context.say({
        en: `${usedTokens} of ${vocabSize} tokens occur\n`,
        zh: `${vocabSize} 个词元中出现了 ${usedTokens} 个\n`,
      }),
    )
  },
}

const HEAD: readonly Text[] = [
  { en: 'language', zh: '语言' },
  { en: 'sentences', zh: '句数' },
  { en: 'tokens per sentence', zh: '每句词元' },
  { en: 'characters per token', zh: '每词元字符' },
  { en: 'tokens per byte', zh: '每字节词元' },
]

const NAMES: Readonly<Record<string, Text>> = {
  en: { en: 'English', zh: '英语' },
  zh: { en: 'Chinese', zh: '汉语' },
  other: { en: 'other', zh: '其他' },
  all: { en: 'all', zh: '合计' },
}

function rowOf(name: string, row: LanguageReport, { say }: Context): string[] {
  return [
    say(NAMES[name]),
    row.sentences.toLocaleString('en'),
    row.tokensPerSentence.toFixed(1),
    row.charactersPerToken.toFixed(2),
    row.tokensPerByte.toFixed(3),
  ]
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => columnsOf(row[column]))))
  const line = (row: readonly string[]) => row.map((cell, column) => padToColumns(cell, widths[column])).join('  ')
  return `${rows.map((row) => line(row).trimEnd()).join('\n')}\n`
}
