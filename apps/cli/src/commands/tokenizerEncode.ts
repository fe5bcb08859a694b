/** `tarazed tokenizer encode`: how a text is cut. */
import { type Tokenizer, loadTokenizer } from '@tarazed/tokenizer'
import type { Command, Context, Values } from '../command.js'
import { columnsOf, padToColumns } from '../columns.js'
import { MODEL_OPTIONS, openModelFolder } from '../modelFolder.js'
import { readAll } from '../readAll.js'

/** What a folder's tokenizer is called in options. */
export const TOKENIZER_ARGUMENT = {
  name: 'FOLDER',
  about: { en: 'a folder with a tokenizer, or owner/name on the hub', zh: '含分词器的目录，或 Hub 上的 所有者/名称' },
} as const

export const tokenizerEncode: Command = {
  path: ['tokenizer', 'encode'],
  about: { en: 'show how a text is cut into tokens', zh: '显示文本如何被切分为词元' },
  arguments: [
    TOKENIZER_ARGUMENT,
    {
      name: 'TEXT',
      optional: true,
      about: { en: 'the text; without it, what comes in on standard input', zh: '文本；省略时读取标准输入' },
    },
  ],
  options: {
    ids: { kind: 'flag', about: { en: 'only the ids, on one line', zh: '只输出编号，写成一行' } },
    'no-special': {
      kind: 'flag',
      about: { en: 'special tokens in the text are ordinary characters', zh: '把文本中的特殊词元当作普通字符' },
    },
    ...MODEL_OPTIONS,
    json: { kind: 'flag', about: { en: 'ids and offsets as JSON', zh: '以 JSON 输出编号和位置' } },
  },
  examples: [
    {
      line: 'tarazed tokenizer encode runs/start "Hello world. 你好，世界。"',
      about: { en: 'piece by piece', zh: '逐个显示' },
    },
    { line: 'tarazed tokenizer encode runs/start --ids < notes.txt', about: { en: 'ids alone', zh: '只要编号' } },
  ],
  async run(values, context) {
    const tokenizer = await loadTokenizerOf(values.positionals[0], values, context)
    const text = values.positionals[1] ?? (await readAll(context.input, context.signal))
    const encoding = tokenizer.encodeWithOffsets(text, { allowSpecial: !values.flag('no-special') })
    if (values.flag('json')) return void context.out.write(`${JSON.stringify({ text, ...plain(encoding) })}\n`)
    if (values.flag('ids')) return void context.out.write(`${[...encoding.ids].join(' ')}\n`)
    context.out.write(pieces(tokenizer, encoding.ids))
    const { length } = encoding.ids
    context.out.write(context.say({ en: `${length} tokens\n`, zh: `共 ${length} 个词元\n` }))
  },
}

/** The tokenizer of a folder or a repository; its warnings go to stderr. */
export async function loadTokenizerOf(written: string, values: Values, context: Context): Promise<Tokenizer> {
  const folder = await openModelFolder(written, values, context)
  return loadTokenizer(folder, { onWarning: (message) => void context.err.write(`${message}\n`) })
}

function plain({ ids, starts, ends }: ReturnType<Tokenizer['encodeWithOffsets']>) {
  return { ids: [...ids], starts: [...starts], ends: [...ends] }
}

/** One line for each token: its id and its text, with what cannot be seen written out. */
function pieces(tokenizer: Tokenizer, ids: ArrayLike<number>): string {
  const rows = Array.from(ids, (id) => [String(id), JSON.stringify(tokenizer.decode([id], { cleanUp: false }))])
  const width = Math.max(0, ...rows.map(([id]) => columnsOf(id)))
  return rows.map(([id, text]) => `${padToColumns(id, width)}  ${text}\n`).join('')
}
