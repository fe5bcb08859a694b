import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configs, parameterShapes } from '@tarazed/aquila2'
import { encodeSafetensors } from '@tarazed/checkpoint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tarazed } from './world.js'

const GIB = 2 ** 30

async function inspected(...args: string[]) {
  const { exit, out, err } = await tarazed(['inspect', ...args, '--json'])
  expect({ exit, err }).toEqual({ exit: 0, err: '' })
  return JSON.parse(out)
}

describe('tarazed inspect --model', () => {
  it.each([
    ['aquila2-7b', 7_295_537_152, 524_288, 13.59, 4.66, 1.0],
    ['aquila2-34b', 33_693_554_688, 245_760, 62.76, 18.0, 0.94],
    ['aquila2-70b', 70_090_891_264, 327_680, 130.55, 36.2, 1.25],
  ])('has the published figures of %s', async (model, parameters, kvBytes, weightsGib, int4Gib, kvGib) => {
    const found = await inspected('--model', model)
    const bytes = Object.fromEntries(
      found.weights.map((row: { dtype: string; bytes: number }) => [row.dtype, row.bytes]),
    )
    expect(found.parameters.total).toBe(parameters)
    expect(found.kvCache.bytesPerToken).toBe(kvBytes)
    expect(bytes.bf16).toBe(2 * parameters)
    expect(bytes.bf16 / GIB).toBeCloseTo(weightsGib, 1.99)
    expect(bytes.int4 / GIB).toBeCloseTo(int4Gib, 1)
    expect(found.kvCache.bytes / GIB).toBeCloseTo(kvGib, 1.99)
  })

  it('knows the interpolated positions of the 16K chats', async () => {
    const found = await inspected('--model', 'AquilaChat2-7B-16K')
    expect(found.contextLength).toBe(16384)
    expect(found.kvCache.bytes).toBe(8 * GIB)
    expect(found.template).toBe('aquila')
  })

  it('counts other contexts and batches', async () => {
    const found = await inspected('--model', 'aquila2-7b', '--context', '100', '--batch', '3')
    expect(found.kvCache.bytes).toBe(300 * 524_288)
  })

  it('proposes a name that was probably meant', async () => {
    const { exit, err } = await tarazed(['inspect', '--model', 'aquila2-7'])
    expect(exit).toBe(1)
    expect(err).toContain('did you mean')
  })
})

describe('tarazed inspect PATH', () => {
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tarazed-inspect-'))
    const config = { ...configs.tiny, num_hidden_layers: 7 } // two in the weights
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
    const tensors = Object.entries({ ...parameterShapes(configs.tiny), 'stranger.weight': [2] }).map(
      ([name, shape]) => ({
        name,
        dtype: 'F32' as const,
        shape,
        bytes: async () => new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
      }),
    )
    writeFileSync(join(folder, 'model.safetensors'), await encodeSafetensors(tensors))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('believes the tensors, and says where the configuration differs', async () => {
    const found = await inspected(folder)
    expect(found.config.num_hidden_layers).toBe(2)
    const said = found.warnings.map(({ message }: { message: string }) => message).join('\n')
    expect(said).toMatch(/num_hidden_layers/)
    expect(said).toMatch(/stranger\.weight/)
    expect(found.files).toMatchObject({ format: 'safetensors', tensors: 22, dtypes: { F32: 22 } })
  })

  it('describes the same in words, in both languages', async () => {
    expect((await tarazed(['inspect', folder])).out).toMatch(/2 layers[^]*Warnings/)
    expect((await tarazed(['inspect', folder, '--lang', 'zh'])).out).toMatch(/2 层[^]*警告/)
  })

  it('compares every shape with the configuration', async () => {
    const other = mkdtempSync(join(tmpdir(), 'tarazed-shapes-'))
    writeFileSync(join(other, 'config.json'), JSON.stringify(configs.tiny))
    const name = 'model.layers.0.self_attn.o_proj.weight'
    const tensors = Object.entries({ ...parameterShapes(configs.tiny), [name]: [128, 32] }).map(([name, shape]) => ({
      name,
      dtype: 'F32' as const,
      shape,
      bytes: async () => new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
    }))
    writeFileSync(join(other, 'model.safetensors'), await encodeSafetensors(tensors))
    const found = await inspected(other)
    rmSync(other, { recursive: true })
    const said = found.warnings.map(({ message }: { message: string }) => message)
    expect(said).toEqual([expect.stringMatching(/o_proj\.weight \[128,32\] instead of \[64,64\]/)])
  })

  it('plans the memory of a folder that has a configuration only', async () => {
    const bare = mkdtempSync(join(tmpdir(), 'tarazed-bare-'))
    writeFileSync(join(bare, 'config.json'), JSON.stringify(configs['aquila2-7b']))
    const found = await inspected(bare)
    rmSync(bare, { recursive: true })
    expect(found.parameters.total).toBe(7_295_537_152)
    expect(found.files).toBeUndefined()
  })

  it('says what is missing', async () => {
    expect(await tarazed(['inspect', '/nowhere/at/all'])).toMatchObject({ exit: 1, out: '' })
    expect(await tarazed(['inspect'])).toMatchObject({ exit: 2 })
    const empty = mkdtempSync(join(tmpdir(), 'tarazed-empty-'))
    const { exit, err } = await tarazed(['inspect', empty])
    rmSync(empty, { recursive: true })
    expect(exit).toBe(1)
    expect(err).toContain('config.json')
  })
})
