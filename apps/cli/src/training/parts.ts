/** From a recipe to what the training engine takes: tokenizer, model, tokens. */
import { Aquila2, type Aquila2Config, fromPretrained, smallConfig } from '@tarazed/aquila2'
import { diskFolder, replaceFile, makeFolder } from '@tarazed/checkpoint/node'
import {
  type SampleSource,
  type TokenBatch,
  type ValidationSet,
  blend,
  heldOutTokens,
  joinDocuments,
  packedTokens,
  tokenBatches,
} from '@tarazed/heurimentor'
import { random } from '@tarazed/tensor'
import { type Tokenizer, loadTokenizer, trainBpe } from '@tarazed/tokenizer'
import { join } from 'node:path'
import { Failure } from '../failure.js'
import type { Recipe } from './recipe.js'
import type { DomainTexts } from './texts.js'

/** Files of a tokenizer, which go into the run's folder. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'vocab.json',
  'merges.txt',
  'special_tokens_map.json',
  'tokenizer_config.json',
  'added_tokens.json',
]

/** The run's tokenizer: that of its folder when it goes on, else the one named, else one that is learned from the text. */
export async function tokenizerOf(
  recipe: Recipe,
  domains: readonly DomainTexts[],
  resumes: boolean,
): Promise<Tokenizer> {
  const { tokenizer, training, out } = recipe
  if (resumes) return loadTokenizer(diskFolder(out))
  await makeFolder(out)
  if ('path' in tokenizer) {
    const folder = diskFolder(tokenizer.path)
    for (const name of TOKENIZER_FILES) {
      const text = await folder.readText(name)
      if (text !== undefined) await replaceFile(join(out, name), text)
    }
    return loadTokenizer(folder)
  }
  const trained = await trainBpe(
    domains.flatMap(({ learned }) => learned),
    { vocabSize: tokenizer.vocab_size, minFrequency: tokenizer.min_frequency ?? 2, modelMaxLength: training.length },
  )
  for (const [name, text] of Object.entries(trained.files())) await replaceFile(join(out, name), text)
  return trained.tokenizer()
}

/** A new model of the recipe's size, or one that is trained further. */
export async function modelOf({ model, training }: Recipe, tokenizer: Tokenizer): Promise<Aquila2> {
  if (!('path' in model)) return Aquila2.init(configOf(model, training, tokenizer), random.key(training.seed))
  const loaded = await fromPretrained(diskFolder(model.path), { tokenizer: false, dtype: 'f32' })
  if (loaded.config.vocab_size < tokenizer.vocabSize)
    throw new Failure({
      en: `The tokenizer has ${tokenizer.vocabSize} tokens, ${model.path} only ${loaded.config.vocab_size}; use the tokenizer of that model`,
      zh: `分词器有 ${tokenizer.vocabSize} 个词元，而 ${model.path} 只有 ${loaded.config.vocab_size} 个；请使用该模型的分词器`,
    })
  return loaded.model
}

function configOf(
  size: Exclude<Recipe['model'], { path: string }>,
  { length }: Recipe['training'],
  tokenizer: Tokenizer,
): Aquila2Config {
  const id = (token: string | undefined) => tokenizer.tokenToId(token ?? '') ?? 0
  const { initializer_range, ...shape } = size
  const config = smallConfig({
    ...shape,
    vocab_size: tokenizer.vocabSize,
    max_position_embeddings: length,
    bos_token_id: id(tokenizer.bos),
    eos_token_id: id(tokenizer.eos),
    pad_token_id: id(tokenizer.pad),
  })
  return { ...config, ...(initializer_range !== undefined && { initializer_range }) }
}

/** What is learned and what is held out, as tokens. */
export interface TrainingData {
  readonly data: SampleSource<TokenBatch>
  readonly validation: readonly ValidationSet<TokenBatch>[]
  readonly tokens: number
}

/** Each domain is shuffled by itself; domains take turns by their weights, or by their tokens where none has a weight. */
export function trainingData(
  domains: readonly DomainTexts[],
  tokenizer: Tokenizer,
  { training }: Recipe,
): TrainingData {
  const { length, seed, batch } = training
  const rows = training.micro_batch ?? (typeof batch === 'number' ? batch : batch.start)
  const end = tokenizer.tokenToId(tokenizer.eos ?? '')
  const encode = (text: string) => tokenizer.encodeToArray(text, { allowSpecial: false })
  const parts = domains.map(({ name, learned, weight }) => {
    const documents = joinDocuments(learned.map(encode), end === undefined ? {} : { endOfDocument: end })
    const tokens = documents.tokens.length
    if (tokens <= length)
      throw new Failure({
        en: `${name} has ${tokens} tokens to learn from; one sample takes ${length + 1}. Add text, or lower training.length`,
        zh: `${name} 只有 ${tokens} 个词元可供学习，一个样本需要 ${length + 1} 个。请增加文本，或减小 training.length`,
      })
    return { weight: weight ?? tokens, tokens, samples: packedTokens(documents, { length, seed }) }
  })
  const validation = domains
    .filter(({ heldOut }) => heldOut.length > 0)
    .map(({ name, heldOut }) => {
      const bytes = heldOut.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
      const ids = Int32Array.from([end ?? 0, ...heldOut.flatMap((text) => [...encode(text)])])
      return heldOutTokens(name, ids, { length, rows, bytes, seenBefore: Math.floor(length / 2) })
    })
  return {
    data: tokenBatches(blend(parts.map(({ weight, samples }) => ({ weight, samples })))),
    validation,
    tokens: parts.reduce((sum, { tokens }) => sum + tokens, 0),
  }
}
