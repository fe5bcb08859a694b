import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { openCheckpoint } from '@tarazed/checkpoint'
import { diskFolder } from '@tarazed/checkpoint/node'
import { evaluate, openReference, setDefaultBackend } from '@tarazed/tensor'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { fromPretrained } from '../src/index.js'
import { savePretrained, verifyFiles } from '../src/node.js'
import { folderOf } from './folders.js'
import { ODD, batch, largestGap, randomModel, rows, tokens } from './support.js'

const backend = openReference()
beforeAll(() => setDefaultBackend(backend))
afterAll(() => backend.close())

const model = randomModel()
beforeAll(() => evaluate(model))

let path = ''
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'tarazed-aquila2-'))
})
afterEach(() => rm(path, { recursive: true, force: true }))

const EXTRAS = { 'generation_config.json': '{ "top_p" : 0.9 }\n', 'merges.txt': '#version: 0.2\n# b\n' }

describe('saving what was loaded', () => {
  it.each(['F32', 'F16', 'BF16'] as const)('keeps names, dtypes and bytes of %s, and every field', async (dtype) => {
    const torch_dtype = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[dtype]
    const config = { ...ODD, torch_dtype, auto_map: { AutoConfig: 'x.Y' }, pretraining_tp: 1 }
    const original = await folderOf(model, { dtype, config, files: EXTRAS })
    const loaded = await fromPretrained(original, { tokenizer: false })
    const files = await savePretrained(path, loaded, { maxShardBytes: 30_000 })
    expect([...files].sort()).toEqual((await readdir(path)).sort())
    expect(files.filter((file) => file.endsWith('.safetensors')).length).toBeGreaterThan(1)

    const [before, after] = [await openCheckpoint(original), await openCheckpoint(diskFolder(path))]
    expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort())
    for (const [name, info] of before.tensors) {
      expect(after.tensors.get(name)).toMatchObject({ dtype: info.dtype, shape: info.shape })
      expect(Buffer.compare(await before.read(name), await after.read(name))).toBe(0)
    }
    await after.close()
    expect(JSON.parse(await readFile(join(path, 'config.json'), 'utf8'))).toEqual(config)
    for (const [file, text] of Object.entries(EXTRAS)) expect(await readFile(join(path, file), 'utf8')).toBe(text)
  })

  it('gives the same logits when it is read back', async () => {
    await savePretrained(path, { model })
    const { model: again } = await fromPretrained(diskFolder(path))
    const ids = batch(tokens(6, 37))
    expect(largestGap(await rows(again.forward(ids)), await rows(model.forward(ids)))).toBe(0)
  })

  it('may go into the folder that it came from', async () => {
    await savePretrained(path, { model, files: EXTRAS })
    const loaded = await fromPretrained(diskFolder(path), { tokenizer: false })
    await savePretrained(path, loaded)
    for (const [file, text] of Object.entries(EXTRAS)) expect(await readFile(join(path, file), 'utf8')).toBe(text)
    await fromPretrained(diskFolder(path), { tokenizer: false })
  })
})

describe('saving', () => {
  it('rounds to another dtype and says so in the configuration', async () => {
    await savePretrained(path, { model }, { dtype: 'bf16' })
    const { model: narrow, config } = await fromPretrained(diskFolder(path))
    expect(narrow.lm_head.weight.dtype).toBe('bf16')
    expect(config.torch_dtype).toBe('bfloat16')
    expect(await rows(narrow.lm_head.weight)).toEqual(await rows(model.lm_head.weight.cast('bf16')))
  })

  it('writes further files and a generation configuration', async () => {
    const files = await savePretrained(path, { model, files: { 'vocab.json': '{}' }, generationConfig: { top_k: 3 } })
    expect(files).toContain('vocab.json')
    expect(JSON.parse(await readFile(join(path, 'generation_config.json'), 'utf8'))).toEqual({ top_k: 3 })
  })

  it('leaves no trace of temporary files', async () => {
    await savePretrained(path, { model }, { maxShardBytes: 20_000 })
    expect((await readdir(path)).every((file) => /^(model[-.\w]*|config\.json)$/.test(file))).toBe(true)
  })

  it('refuses what is no model, no path and no option', async () => {
    // @ts-expect-error -- no model
    await expect(savePretrained(path, {})).rejects.toThrow(/model is an Aquila2, got undefined/)
    // @ts-expect-error -- no path
    await expect(savePretrained(undefined, { model })).rejects.toThrow(/path is the path of a folder/)
    // @ts-expect-error -- no such dtype
    await expect(savePretrained(path, { model }, { dtype: 'int4' })).rejects.toThrow(/dtype is f32, f16 or bf16/)
    // @ts-expect-error -- no such option
    await expect(savePretrained(path, { model }, { shards: 2 })).rejects.toThrow(/unknown option "shards"/)
    expect(await readdir(path)).toEqual([])
  })
})

describe('verifying', () => {
  it('compares files with their sums and tells which are missing or other', async () => {
    await writeFile(join(path, 'a'), 'one')
    await writeFile(join(path, 'b'), 'two')
    const sum = (text: string): string => createHash('sha256').update(text).digest('hex')
    const results = await verifyFiles(diskFolder(path), { a: sum('one').toUpperCase(), b: sum('three'), c: sum('') })
    expect(results.map(({ file, ok }) => [file, ok])).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
    ])
    expect(results[1].got).toBe(sum('two'))
    expect(results[2].got).toBe(null)
  })
})
