import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCpu } from '@tarazed/kernels-cpu'
import { type Backend, evaluate, random, scalar, setDefaultBackend, tensor } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Run, loadRun, saveRun } from '../start/checkpoint.js'
import { readCorpus } from '../start/corpus.js'
import { Failure } from '../start/failure.js'
import { messagesIn } from '../start/messages.js'
import { ByteModel, emptyCaches, modelConfig } from '../start/model.js'
import { readOptions } from '../start/options.js'
import type { Progress } from '../start/progress.js'
import { newRun, resumedRun } from '../start/run.js'
import { readableText, sampleBytes } from '../start/sample.js'
import { createValidation, train } from '../start/train.js'

let backend: Backend
let folder: string
beforeAll(async () => {
  backend = await openCpu({ threads: 1 })
  setDefaultBackend(backend)
  folder = await mkdtemp(join(tmpdir(), 'training-'))
  await writeFile(join(folder, 'text.txt'), 'one two three four five six seven eight nine ten. '.repeat(60))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await backend.close()
})

const flags = ['--layers=2', '--width=32', '--context=16', '--batch=4']
const corpus = () => readCorpus(join(folder, 'text.txt'), { context: 16 })
const silent: Progress = { due: () => false, show: () => {}, note: () => {}, end: () => {} }

/** Trains a tiny model with given flags; `until` stops it after that step. */
async function trained(args: string[], { from, until }: { from?: string; until?: number } = {}): Promise<Run> {
  const options = readOptions(args, {})
  const text = await corpus()
  const { run, model } = from === undefined ? newRun(options, text, null) : await resumedRun(from, options)
  const stop = new AbortController()
  let done = run.record.step
  return train(run, {
    model,
    corpus: text,
    validate: createValidation(model, text.heldOut, { rows: 4, length: 17 }),
    save: () => Promise.resolve(),
    progress: { ...silent, due: () => ++done === until && (stop.abort(), false) },
    say: messagesIn('en'),
    stop: stop.signal,
    now: () => performance.now(),
  })
}

async function bytesOf(run: Run): Promise<string[]> {
  const tensors = [run.params, ...Object.values(run.state.slots)].flatMap((record) => Object.entries(record))
  return Promise.all(
    tensors.map(async ([name, value]) => `${name} ${Buffer.from(await value.bytes()).toString('base64')}`),
  )
}

describe('training', () => {
  it('learns: a short run on a simple text halves the loss', async () => {
    const text = await corpus()
    const { run, model } = newRun(readOptions([...flags, '--steps=60'], {}), text, null)
    const validate = createValidation(model, text.heldOut, { rows: 4, length: 17 })
    const before = await validate(run.params)
    const after = await validate((await trained([...flags, '--steps=60'])).params)
    expect(before).toBeGreaterThan(7)
    expect(after).toBeLessThan(before / 2)
  })

  it('that was stopped, saved and resumed ends with the same bits as one that was not', async () => {
    const whole = await trained([...flags, '--steps=12'])
    const half = await trained([...flags, '--steps=12'], { until: 5 })
    expect(half.record.step).toBe(5)
    const saved = join(folder, 'run')
    await saveRun(saved, half)
    const resumed = await trained([], { from: saved })
    expect(resumed.record.step).toBe(12)
    expect(await bytesOf(resumed)).toEqual(await bytesOf(whole))
  })

  it('depends on the seed', async () => {
    const [one, two] = [await trained([...flags, '--steps=1']), await trained([...flags, '--steps=1', '--seed=1'])]
    expect(await bytesOf(one)).not.toEqual(await bytesOf(two))
  })

  it('goes on beyond its end with --steps', async () => {
    const saved = join(folder, 'longer')
    await saveRun(saved, await trained([...flags, '--steps=3']))
    expect((await trained(['--steps=5'], { from: saved })).record).toMatchObject({ step: 5, total: 5 })
  })

  it('fits its steps into the seconds that it was given', async () => {
    const { record } = await trained([...flags, '--seconds=2'])
    expect(record.step).toBe(record.total)
    expect(record.step).toBeGreaterThan(20)
  })
})

describe('a saved run', () => {
  it('is a LLaMA checkpoint and one state file, with nothing left over from writing', async () => {
    const saved = join(folder, 'files')
    await saveRun(saved, await trained([...flags, '--steps=1']))
    await saveRun(saved, await trained([...flags, '--steps=1']))
    expect((await readdir(saved)).sort()).toEqual(['config.json', 'model.safetensors', 'train_state.safetensors'])
    const config = JSON.parse(await readFile(join(saved, 'config.json'), 'utf8')) as Record<string, unknown>
    expect(config).toMatchObject({ model_type: 'llama', vocab_size: 256, num_hidden_layers: 2, hidden_size: 32 })
    const header = (await readFile(join(saved, 'model.safetensors'))).toString('latin1')
    for (const name of ['model.embed_tokens.weight', 'model.layers.1.self_attn.o_proj.weight', 'lm_head.weight'])
      expect(header).toContain(`"${name}"`)
  })

  it('that is damaged or missing is refused in plain words', async () => {
    const fresh = () => {
      throw new Error('not reached')
    }
    const told = async (path: string) => {
      const error: unknown = await loadRun(path, fresh).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(Failure)
      return (error as Failure).tell(messagesIn('en'))
    }
    expect(await told(join(folder, 'nowhere'))).toContain('No run to resume')
    const broken = await mkdtemp(join(folder, 'broken-'))
    for (const content of ['', 'x'.repeat(100), '\x02\0\0\0\0\0\0\0{}']) {
      await writeFile(join(broken, 'train_state.safetensors'), content)
      expect(await told(broken)).toContain('cannot be read')
    }
  })
})

describe('writing', () => {
  const config = modelConfig({ layers: 2, width: 64, context: 12 })
  const model = ByteModel.init(config, random.key(3))
  const text = [72, 101, 108, 108, 111, 0, 228, 189, 160, 10, 9, 255]

  it('from the cache gives the logits of the whole text at once', async () => {
    const whole = model.forward(tensor(Int32Array.from(text), { shape: [1, 12] })) // [1, 12, V]
    let caches = emptyCaches(config)
    const rows = text.map((byte, position) => {
      const step = model.forwardCached(tensor(Int32Array.of(byte)), scalar(position, { dtype: 'i32' }), caches)
      caches = step.caches
      return step.logits
    })
    await evaluate(whole, rows)
    const wanted = await whole.data()
    for (const [position, row] of rows.entries())
      (await row.data()).forEach((logit, v) => expect(logit).toBeCloseTo(wanted[position * 256 + v], 4))
  })

  it('repeats with its seed, goes on beyond the context, and differs with another seed', async () => {
    const { run, model: tiny } = newRun(readOptions(flags, {}), await corpus(), null)
    const write = async (seed: number) => {
      const bytes: number[] = []
      const options = { prompt: Uint8Array.of(65, 66), length: 40, temperature: 1, seed }
      for await (const byte of sampleBytes(tiny, run.record.config, run.params, options)) bytes.push(byte)
      return bytes
    }
    const first = await write(1)
    expect(first).toHaveLength(40)
    for (const byte of first) expect(byte >= 0 && byte < 256).toBe(true)
    expect(await write(1)).toEqual(first)
    expect(await write(2)).not.toEqual(first)
  })

  it('shows characters when they are complete, and no control characters', async () => {
    const stream = async function* (bytes: number[]) {
      yield* bytes
    }
    const shown: string[] = []
    for await (const part of readableText(stream([228, 189, 160, 27, 91, 0, 10, 228]))) shown.push(part)
    expect(shown.join('')).toBe('你\ufffd[\n\n\ufffd')
    expect(shown.slice(0, 3)).toEqual(['', '', '你'])
  })
})
