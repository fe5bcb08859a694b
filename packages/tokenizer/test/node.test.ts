import { mkdtemp, rm, writeFile, mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { trainBpe } from '../src/index.js'
import { loadTokenizerFolder, readTexts } from '../src/node.js'
import { GPT2_PATTERN } from '../src/gpt2Split.js'
import { below, randomSource, randomText, wellFormed } from './random.js'
import { bilingualText, smallBpe, smallFiles } from './small.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function collect(texts: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const text of texts) all.push(text)
  return all
}

const pieces = (text: string): string[] => text.match(GPT2_PATTERN) ?? []

describe('a folder on the disk', () => {
  it('loads', async () => {
    const model = join(folder, 'model')
    await mkdir(model)
    for (const [name, text] of Object.entries(await smallFiles())) await writeFile(join(model, name), text)
    const tokenizer = await loadTokenizerFolder(model)
    expect(tokenizer.encode('the 模型')).toEqual((await smallBpe()).tokenizer().encode('the 模型'))
  })

  it('that is not there has no tokenizer', async () => {
    await expect(loadTokenizerFolder(join(folder, 'nothing'))).rejects.toThrow(/must be a tokenizer\.json/)
    await expect(loadTokenizerFolder(undefined as never)).rejects.toThrow(/path must be a string/)
  })

  it('that cannot be read is the error of the system', async () => {
    await mkdir(join(folder, 'odd', 'tokenizer.json'), { recursive: true })
    await expect(loadTokenizerFolder(join(folder, 'odd'))).rejects.toMatchObject({ code: 'EISDIR' })
  })
})

describe('texts of files', () => {
  it('are cut where pieces are cut', async () => {
    const random = randomSource(51)
    const path = join(folder, 'random.txt')
    for (let round = 0; round < 60; round++) {
      const text = wellFormed(randomText(random, below(random, 3000), [...'ab \n\n\t,', '好', '\u0085', '👍']))
      await writeFile(path, text)
      const texts = await collect(readTexts(path, { textLength: 1 + below(random, 50) }))
      expect(texts.join('')).toBe(text)
      expect(texts.flatMap(pieces)).toEqual(pieces(text))
    }
  })

  it('come in parts from large files, whatever the chunks of the disk', async () => {
    const text = bilingualText(7, 3000)
    const path = join(folder, 'large.txt')
    await writeFile(path, text)
    const texts = await collect(readTexts([path, path], { textLength: 1000 }))
    expect(texts.length).toBeGreaterThan(4)
    expect(texts.join('')).toBe(text + text)
    const fromFile = await trainBpe(readTexts(path, { textLength: 1000 }), { vocabSize: 400 })
    expect(fromFile.files()).toEqual((await trainBpe([text], { vocabSize: 400 })).files())
  })

  it('without a line break come whole', async () => {
    const path = join(folder, 'one.txt')
    await writeFile(path, 'ab '.repeat(100_000))
    expect((await collect(readTexts(path, { textLength: 10 }))).length).toBe(1)
  })

  it('that are not there are the error of the system', async () => {
    await expect(collect(readTexts(join(folder, 'none.txt')))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(collect(readTexts([5] as never))).rejects.toThrow(/path must be a string/)
    await expect(collect(readTexts([], { chunk: 5 } as never))).rejects.toThrow(/no option "chunk"/)
  })
})
