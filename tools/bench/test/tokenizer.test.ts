/** The tokenizers of the bench give the same ids and texts: a contest of different work would say nothing. */
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LANGUAGES } from '../src/benches/tokenizer.js'
import { openTokenizer as openOurs } from '../src/engines/tarazed/tokenizer.js'
import { openTokenizer as openLibrary } from '../src/engines/tokenizers/index.js'
import { benchVocabulary, type BenchTokenizer } from '../src/measureTokenizer.js'
import { syntheticTexts } from '../src/syntheticText.js'

const installed = existsSync(new URL('../node_modules/@huggingface/transformers', import.meta.url))
if (!installed)
  console.log('transformers.js in the bench of tokenizers: skipped, it is not installed; `npm run bench` installs it')

const texts = LANGUAGES.map((language) => syntheticTexts(language, 3000).next().value)

async function expectSame(
  open: (json: string, config: string) => Promise<BenchTokenizer> | BenchTokenizer,
): Promise<void> {
  const files = await benchVocabulary(1000, 10_000)
  const [json, config] = [files['tokenizer.json'], files['tokenizer_config.json']]
  const [ours, theirs] = [await openOurs(json, config), await open(json, config)]
  for (const text of texts) {
    expect(theirs.encode(text)).toEqual(ours.encode(text))
    expect(theirs.decode(ours.encode(text))).toBe(text)
    expect(ours.decode(ours.encode(text))).toBe(text)
  }
}

describe('the tokenizers', () => {
  it('of @huggingface/tokenizers gives our ids', () => expectSame(openLibrary))

  it.skipIf(!installed)('of transformers.js gives our ids', async () => {
    const { openTokenizer } = await import('../src/engines/transformers/index.js')
    await expectSame(openTokenizer)
  })

  it('read texts that are never the same twice', () => {
    const generator = syntheticTexts('Chinese', 500)
    expect(generator.next().value).not.toBe(generator.next().value)
  })
})
