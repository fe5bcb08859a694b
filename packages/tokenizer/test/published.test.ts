/** The published tokenizer of Aquila, when its folder is given in TARAZED_AQUILA_TOKENIZER. Users bring these files. */
import { describe, expect, it } from 'vitest'
import { type Tokenizer } from '../src/index.js'
import { loadTokenizerFolder } from '../src/node.js'

const folder = process.env.TARAZED_AQUILA_TOKENIZER
if (folder === undefined)
  console.log(
    'published tokenizer: skipped, TARAZED_AQUILA_TOKENIZER does not name a folder with vocab.json and merges.txt',
  )

describe.skipIf(folder === undefined)('the published tokenizer', () => {
  let loading: Promise<Tokenizer> | undefined
  const load = (): Promise<Tokenizer> => (loading ??= loadTokenizerFolder(folder ?? ''))

  it.each([
    ['请给出10个要到北京旅游的理由。', [1486, 19743, 865, 424, 50927, 2557, 3063, 32345, 278]],
    ['你好，世界！ Hello world 2024', [34856, 261, 1996, 964, 51980, 3117, 2791, 1861]],
    ['def f(x):\n    return x+1\n', [3196, 297, 8, 88, 3493, 851, 2256, 2599, 11, 17, 199]],
    ['  leading', [221, 8060]],
    ['A', [33]],
    ['D', [36]],
    ['答案：', [4561, 496]],
    ['<|startofpiece|>请<|endofpiece|> ', [100000, 1486, 100001, 221]],
  ])('encodes %j', async (text, ids) => {
    const tokenizer = await load()
    expect(tokenizer.encode(text)).toEqual(ids)
    expect(tokenizer.decode(ids, { cleanUp: false })).toBe(text)
  })

  it('has 100,008 tokens, the longest of 512 blanks', async () => {
    const tokenizer = await load()
    expect(tokenizer.vocabSize).toBe(100_008)
    expect(tokenizer.encode(' '.repeat(512)).length).toBe(1)
    expect([tokenizer.bos, tokenizer.eos, tokenizer.modelMaxLength]).toEqual(['[CLS]', '</s>', 2048])
  })
})
