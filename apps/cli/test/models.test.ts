import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Aquila2, smallConfig } from '@tarazed/aquila2'
import { savePretrained } from '@tarazed/aquila2/node'
import { openCpu } from '@tarazed/kernels-cpu'
import { random, setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tarazed } from './world.js'

let root: string
let model: string
let tokenizer: string

const TEXT = 'The fox saw the dog. 狐狸看见了狗。\n'.repeat(50)

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'tarazed-cli-'))
  writeFileSync(join(root, 'a.txt'), TEXT)
  writeFileSync(join(root, 'b.jsonl'), `${JSON.stringify({ text: TEXT })}\n\n${JSON.stringify({ text: TEXT })}\n`)
  tokenizer = join(root, 'tokenizer')
  model = join(root, 'model')
  const trained = await tarazed(
    ['tokenizer', 'train', 'a.txt', 'b.jsonl', '--vocab-size', '300', '--out', 'tokenizer'],
    { folder: root },
  )
  expect(trained).toMatchObject({ exit: 0 })
  const backend = await openCpu({ threads: 1 })
  setDefaultBackend(backend)
  const config = smallConfig({ vocab_size: 300, hidden_size: 32, num_hidden_layers: 1 })
  const files = Object.fromEntries(readdirSync(tokenizer).map((name) => [name, readFileSync(join(tokenizer, name))]))
  await savePretrained(model, { model: Aquila2.init(config, random.key(0)), files })
  await backend.close()
}, 60_000)
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('tarazed tokenizer', () => {
  it('writes the files that Hugging Face programs read', () => {
    expect(readdirSync(tokenizer).sort()).toEqual([
      'merges.txt',
      'special_tokens_map.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'vocab.json',
    ])
  })

  it('encodes to ids, to pieces and to JSON with offsets', async () => {
    const { out: ids } = await tarazed(['tokenizer', 'encode', tokenizer, 'the fox', '--ids'])
    const { out: json } = await tarazed(['tokenizer', 'encode', tokenizer, 'the fox', '--json'])
    const encoding = JSON.parse(json)
    expect(ids.trim().split(' ').map(Number)).toEqual(encoding.ids)
    expect(encoding.ends.at(-1)).toBe(7)
    const { out: pieces } = await tarazed(['tokenizer', 'encode', tokenizer, 'the fox'])
    expect(pieces).toMatch(/" fox"\n/)
  })

  it('takes special tokens in a text as such unless told otherwise', async () => {
    const { out: special } = await tarazed(['tokenizer', 'encode', tokenizer, '[CLS]', '--ids'])
    const { out: plain } = await tarazed(['tokenizer', 'encode', tokenizer, '[CLS]', '--ids', '--no-special'])
    expect(special.trim().split(' ')).toHaveLength(1)
    expect(plain.trim().split(' ').length).toBeGreaterThan(1)
  })

  it('encodes what comes in on standard input', async () => {
    const piped = await tarazed(['tokenizer', 'encode', tokenizer, '--ids'], { input: 'the fox' })
    expect(piped).toEqual(await tarazed(['tokenizer', 'encode', tokenizer, 'the fox', '--ids']))
  })

  it('reports tokens per sentence and language', async () => {
    const { out } = await tarazed(['tokenizer', 'report', tokenizer, join(root, 'a.txt'), '--json'])
    const { languages } = JSON.parse(out)
    expect(languages.en.sentences).toBe(50)
    expect(languages.zh.sentences).toBe(50)
    expect((await tarazed(['tokenizer', 'report', tokenizer, join(root, 'a.txt')])).out).toMatch(/English +50 /)
  })

  it('names a line that holds no text', async () => {
    writeFileSync(join(root, 'bad.jsonl'), '{"text": "x"}\n{"texts": 1}\n')
    const { exit, err } = await tarazed(['tokenizer', 'train', join(root, 'bad.jsonl'), '--out', join(root, 'none')])
    expect(exit).toBe(1)
    expect(err).toContain('bad.jsonl:2')
  })
})

describe('tarazed generate', () => {
  it('goes on with a text, the same way for the same seed', async () => {
    const args = ['generate', model, 'The fox', '--max-tokens', '5', '--seed', '3', '--threads', '1']
    const first = await tarazed(args)
    expect(first).toMatchObject({ exit: 0 })
    expect(first.out.startsWith('The fox')).toBe(true)
    expect(await tarazed(args)).toEqual(first)
  })

  it('answers several prompts as JSON lines', async () => {
    const { out } = await tarazed(['generate', model, 'a', 'b c', '--max-tokens', '3', '--json', '--threads', '1'])
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ prompt }) => prompt)).toEqual(['a', 'b c'])
    for (const { usage } of lines) expect(usage.newTokens).toBeLessThanOrEqual(3)
  })

  it('needs a prompt', async () => {
    expect(await tarazed(['generate', model])).toMatchObject({ exit: 2, out: '' })
  })

  it('tells more tokens than the context holds', async () => {
    const { exit, err } = await tarazed(['generate', model, 'a', '--max-tokens', '5000', '--threads', '1'])
    expect(exit).toBe(1)
    expect(err).toMatch(/context/)
  })
})

describe('tarazed chat', () => {
  it('answers line by line', async () => {
    const args = ['chat', model, '--max-tokens', '3', '--json', '--template', 'aquila-v1', '--threads', '1']
    const { exit, out } = await tarazed(args, { input: 'the fox?\n\nand the dog?\n' })
    expect(exit).toBe(0)
    expect(out.trim().split('\n')).toHaveLength(2)
  })

  it('refuses a message that does not fit, and goes on', async () => {
    const args = ['chat', model, '--max-tokens', '3', '--json', '--template', 'aquila-v1', '--threads', '1']
    const { exit, out, err } = await tarazed(args, { input: `the fox?\n${'the dog '.repeat(200)}\nthe fox?\n` })
    expect(exit).toBe(1)
    expect(out.trim().split('\n')).toHaveLength(2)
    expect(err).toMatch(/fit/)
  })

  it('says when a folder has no chat_template', async () => {
    const { exit, err } = await tarazed(['chat', model, '--template', 'jinja', '--threads', '1'], { input: 'x\n' })
    expect(exit).toBe(1)
    expect(err).toContain('chat_template')
  })
})

describe('tarazed convert', () => {
  it('writes GGUF and reads it back to the same model', async () => {
    const gguf = join(root, 'gguf', 'model.gguf')
    const back = join(root, 'back')
    expect(await tarazed(['convert', model, gguf])).toMatchObject({ exit: 0 })
    expect(await tarazed(['convert', join(root, 'gguf'), back])).toMatchObject({ exit: 0 })
    expect(readFileSync(join(back, 'model.safetensors'))).toEqual(readFileSync(join(model, 'model.safetensors')))
  })

  it('cuts into shards', async () => {
    const sharded = join(root, 'sharded')
    const { out } = await tarazed(['convert', model, sharded, '--shard-size', '0.001', '--dtype', 'f32', '--json'])
    expect(JSON.parse(out).files.length).toBeGreaterThan(1)
    expect(await tarazed(['inspect', sharded])).toMatchObject({ exit: 0 })
  })

  it('refuses blocks of GGUF in safetensors', async () => {
    const { exit, err } = await tarazed(['convert', model, join(root, 'q'), '--dtype', 'q8_0'])
    expect(exit).toBe(1)
    expect(err).toContain('gguf')
  })
})

describe('tarazed cache', () => {
  it('lists and removes what the hub’s tools share', async () => {
    const before = process.env.HF_HUB_CACHE
    process.env.HF_HUB_CACHE = join(root, 'hub')
    try {
      expect((await tarazed(['cache', 'ls'])).out).toContain('Nothing is cached')
      const { exit, err } = await tarazed(['cache', 'rm', 'nobody/nothing'])
      expect(exit).toBe(1)
      expect(err).toContain('nobody/nothing')
    } finally {
      if (before === undefined) delete process.env.HF_HUB_CACHE
      else process.env.HF_HUB_CACHE = before
    }
  })
})
