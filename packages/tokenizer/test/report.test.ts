import { describe, expect, it } from 'vitest'
import { trainBpe, tokenReport } from '../src/index.js'
import { smallBpe } from './small.js'

/** One token per byte: counts are lengths. */
async function bytes() {
  return (await trainBpe([], { vocabSize: 265 })).tokenizer()
}

describe('the report', () => {
  it('counts tokens per sentence and byte, by language', async () => {
    const { languages, all, vocabSize } = tokenReport(await bytes(), [
      'Good morning. It is 3.14 o’clock!\n你好。我很好！“再见。” 谢谢',
    ])
    expect(vocabSize).toBe(265)
    expect(languages.en).toMatchObject({
      sentences: 2,
      tokens: 13 + 21,
      bytes: 34,
      characters: 32,
      tokensPerSentence: 17,
      tokensPerByte: 1,
    })
    expect(languages.zh?.sentences).toBe(4)
    expect(languages.zh?.tokensPerByte).toBe(1)
    expect(languages.other).toBeUndefined()
    expect(all?.sentences).toBe(6)
  })

  it('takes lines or whole texts for sentences when asked', async () => {
    const texts = ['One. Two.\nThree.', '四。五。']
    const sentences = async (how: 'text' | 'line' | 'whole') =>
      tokenReport(await bytes(), texts, { sentences: how }).all?.sentences
    expect([await sentences('text'), await sentences('line'), await sentences('whole')]).toEqual([5, 3, 2])
  })

  it('tells languages apart by their letters', async () => {
    const { languages } = tokenReport(await bytes(), ['1 + 1', 'the GPU', '用GPU训练', 'русский', 'a 中'], {
      sentences: 'whole',
    })
    expect([languages.en?.sentences, languages.zh?.sentences, languages.other?.sentences]).toEqual([1, 2, 2])
  })

  it('says how much of the vocabulary is used', async () => {
    const { usedTokens, vocabularyUse } = tokenReport(await bytes(), ['aabb'])
    expect([usedTokens, vocabularyUse]).toEqual([2, 2 / 265])
  })

  it('has no means of nothing', async () => {
    const report = tokenReport(await bytes(), [' \n '])
    expect(report).toEqual({ vocabSize: 265, languages: {}, usedTokens: 0, vocabularyUse: 0 })
  })

  it('finds fewer tokens with a trained vocabulary', async () => {
    const text = 'the model reads a text. 模型阅读文章。'
    const trained = tokenReport((await smallBpe()).tokenizer(), [text]).all
    const untrained = tokenReport(await bytes(), [text]).all
    expect(trained?.tokens).toBeLessThan(untrained?.tokens ?? 0)
  })

  it('takes long runs of marks', async () => {
    expect(
      tokenReport(await bytes(), ['!'.repeat(200_000) + 'x', '"'.repeat(200_000), '。'.repeat(200_000)]).all?.sentences,
    ).toBe(3)
  })
})
