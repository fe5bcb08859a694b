/** A small bilingual tokenizer for tests, trained when a test asks for it. */
import { loadTokenizer, trainBpe, type Tokenizer, type TrainedBpe } from '../src/index.js'
import { pick, randomSource } from './random.js'

const ENGLISH = 'the model reads a text and writes what it has learnt about words numbers and names of cities'.split(
  ' ',
)
const CHINESE = '模型 阅读 文章 然后 写出 它 学到 的 词语 数字 和 城市 名称 北京 旅游 理由 你好 世界'.split(' ')
const CODE = [
  'def f(x):\n    return x + 1\n',
  '# ## ### ####\n',
  "it's we'll don't they've\n",
  '    if (a == b) { c += 12 }\n',
]

/** Sentences of English, Chinese and code: the same for the same seed. */
export function bilingualText(seed: number, sentences: number): string {
  const random = randomSource(seed)
  let text = ''
  for (let k = 0; k < sentences; k++) {
    const words = Array.from({ length: 6 }, () => pick(random, ENGLISH))
    const characters = Array.from({ length: 5 }, () => pick(random, CHINESE))
    text += `${words.join(' ')}, ${k * 7}. ${characters.join('')}，${characters[0]}。\n${pick(random, CODE)}`
  }
  return text
}

let trained: Promise<TrainedBpe> | undefined

/** Trained once per test file. */
export function smallBpe(): Promise<TrainedBpe> {
  return (trained ??= trainBpe([bilingualText(1, 150)], { vocabSize: 600 }))
}

/** Its files by name. */
export async function smallFiles(): Promise<Record<string, string>> {
  return (await smallBpe()).files()
}

/** Loads from files in memory; warnings are collected, by default thrown away. */
export function loadFrom(
  files: Readonly<Record<string, string | undefined>>,
  warnings: string[] = [],
): Promise<Tokenizer> {
  return loadTokenizer(
    { readText: async (name) => (Object.hasOwn(files, name) ? files[name] : undefined) },
    { onWarning: (message) => warnings.push(message) },
  )
}
