import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configs } from '@tarazed/aquila2'
import { realSize } from '../realSize.js'
import { differences, writeRandom } from '../realSize/randomCheckpoint.js'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tarazed-real-size-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

describe('real sizes, tried on a tiny one', () => {
  it('writes, cuts anew and reads back every byte, runs a layer, and removes what it wrote', async () => {
    const lines: string[] = []
    const problems = await realSize({ dir, model: 'tiny-gqa', maxShardBytes: 60_000, tokens: 5 }, (line) =>
      lines.push(line),
    )
    expect(problems).toEqual([])
    expect(lines).toContain('every byte is as written')
    expect(lines.at(-2)).toMatch(/one layer, \d+ parameters in f32, 5 tokens: \d+ ms/)
    expect(await readdir(dir)).toEqual([])
  })

  it('notices tensors of another checkpoint', async () => {
    await writeRandom(dir, configs.tiny, 1e9)
    expect(await differences(dir, configs.tiny)).toEqual([])
    expect((await differences(dir, { ...configs.tiny, num_hidden_layers: 1 })).length).toBeGreaterThan(0)
  })
})
