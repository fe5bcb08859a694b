import { type ChildProcess, spawn } from 'node:child_process'
import { appendFile, mkdir, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { openCpu } from '@tarazed/kernels-cpu'
import { type Backend, setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RunError, createTrainer, joinedEvents, parseEvents } from '../src/index.js'
import type { RunEvent, Snapshot } from '../src/index.js'
import { diskCheckpoints, openRunLog, readCheckpoint, readRunLog } from '../src/node.js'
import { facts, options } from './linearTask.js'

let backend: Backend
let folder: string
beforeAll(async () => {
  backend = await openCpu({ threads: 1 })
  setDefaultBackend(backend)
  folder = await mkdtemp(join(tmpdir(), 'heurimentor-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await backend.close()
})

const fresh = () => mkdtemp(join(folder, 'run-'))

async function snapshotAfter(steps: number): Promise<Snapshot> {
  const trainer = createTrainer(options({ extra: { note: '你好' } }))
  for (let k = 0; k < steps; k++) await trainer.step()
  return trainer.snapshot()
}

describe('a checkpoint on disk', () => {
  it('has one file for each kind of tensor, under logical names, and reads back as it was', async () => {
    const store = diskCheckpoints(join(await fresh(), 'new', 'folder'))
    expect(await store.latest()).toBeUndefined()
    const snapshot = await snapshotAfter(3)
    expect(await store.save(snapshot)).toBe('step-00000003')
    const read = (await store.latest()) as Snapshot
    expect(facts(read)).toEqual(facts(snapshot))
    expect(read.record).toEqual(snapshot.record)
  })

  it('consists of safetensors files, run.json and checksums', async () => {
    const path = await fresh()
    await diskCheckpoints(path).save(await snapshotAfter(1))
    const files = ['checksums.json', 'exp_avg.safetensors', 'exp_avg_sq.safetensors', 'model.safetensors', 'run.json']
    expect((await readdir(join(path, 'step-00000001'))).sort()).toEqual(files)
    const header = (await readFile(join(path, 'step-00000001', 'exp_avg.safetensors'))).toString('latin1')
    expect(header).toContain('"weight"')
    const run = JSON.parse(await readFile(join(path, 'step-00000001', 'run.json'), 'utf8')) as object
    expect(run).toMatchObject({ format: 1, counters: { step: 1, samples: 8 }, data: { fingerprint: 'linear 0' } })
  })

  it('stays when it is among the newest or the best', async () => {
    const store = diskCheckpoints(await fresh(), { keepLast: 2, keepBest: 1 })
    const scores = [3, 1, 2, undefined, 5]
    for (const [k, score] of scores.entries()) await store.save(await snapshotAfter(k + 1), { score })
    expect(await store.list()).toEqual(['step-00000002', 'step-00000004', 'step-00000005'])
  })

  it('of a step that was saved before gets another name, and is the newer one', async () => {
    const store = diskCheckpoints(await fresh())
    await store.save(await snapshotAfter(2))
    const changed = await snapshotAfter(2)
    expect(await store.save({ ...changed, record: { ...changed.record, extra: 'again' } })).toBe('step-00000002.1')
    expect((await store.latest())?.record.extra).toBe('again')
  })

  it('that is damaged in any file is passed over for the one before it, with a warning', async () => {
    for (const file of ['model.safetensors', 'exp_avg.safetensors', 'run.json', 'checksums.json']) {
      const path = await fresh()
      const warnings: string[] = []
      const store = diskCheckpoints(path, { onWarning: (message) => warnings.push(message) })
      await store.save(await snapshotAfter(1))
      await store.save(await snapshotAfter(2))
      const damaged = join(path, 'step-00000002', file)
      const content = await readFile(damaged)
      content[Math.floor(content.length / 2)] ^= 0x15
      await writeFile(damaged, content)
      expect((await store.latest())?.record.counters.step).toBe(1)
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain('step-00000002')
      await truncate(damaged, 10)
      await expect(readCheckpoint(join(path, 'step-00000002'))).rejects.toThrow(RunError)
      await rm(damaged)
      await expect(readCheckpoint(join(path, 'step-00000002'))).rejects.toThrow(RunError)
    }
  })

  it('that is the only one and damaged is no reason to begin anew in silence', async () => {
    const path = await fresh()
    await diskCheckpoints(path).save(await snapshotAfter(1))
    await rm(join(path, 'step-00000001', 'model.safetensors'))
    await expect(diskCheckpoints(path).latest()).rejects.toThrow(/at least one checkpoint must be whole/)
  })

  it('removes what a crash left, and looks at nothing else in its folder', async () => {
    const path = await fresh()
    await mkdir(join(path, '.step-00000009.abc.partial'))
    await mkdir(join(path, 'step-x'))
    await writeFile(join(path, 'notes.txt'), 'mine')
    const store = diskCheckpoints(path)
    expect(await store.latest()).toBeUndefined()
    await store.save(await snapshotAfter(1))
    expect((await readdir(path)).sort()).toEqual(['notes.txt', 'step-00000001', 'step-x'])
  })

  it('that cannot be written leaves nothing behind', async () => {
    const path = join(await fresh(), 'file')
    await writeFile(path, '')
    await expect(diskCheckpoints(path).save(await snapshotAfter(1))).rejects.toThrow()
    expect(await readFile(path, 'utf8')).toBe('')
  })
})

const event = (samples: number, kind = 'step') => ({ kind, step: samples / 8, samples, time: 0 }) as unknown as RunEvent

describe('the run log', () => {
  it('keeps events across openings, in order', async () => {
    const path = join(await fresh(), 'deep', 'events.jsonl')
    const first = await openRunLog(path)
    expect(first.earlier).toEqual([])
    for (let k = 0; k < 100; k++) first.append(event(k))
    await first.close()
    const second = await openRunLog(path)
    expect(second.earlier).toHaveLength(100)
    second.append(event(100))
    await second.close()
    expect((await readRunLog(path)).map(({ samples }) => samples)).toEqual(Array.from({ length: 101 }, (_, k) => k))
  })

  it('cuts off a last line that was torn anywhere, and goes on after it', async () => {
    const path = join(await fresh(), 'events.jsonl')
    const note = { ...event(8), note: '断电' } as unknown as RunEvent
    const whole = `${JSON.stringify(event(0))}\n`
    const line = Buffer.from(`${JSON.stringify(note)}\n`)
    for (let length = 0; length < line.length; length++) {
      await writeFile(path, whole)
      await appendFile(path, line.subarray(0, length))
      const log = await openRunLog(path)
      expect(log.earlier).toEqual([event(0)])
      log.append(note)
      await log.close()
      expect(await readRunLog(path)).toEqual([event(0), note])
    }
  })

  it('is not written to when it holds something else', async () => {
    const path = join(await fresh(), 'events.jsonl')
    await writeFile(path, 'my diary\nday two\n')
    await expect(openRunLog(path)).rejects.toThrow(/every line must be an event of a run, got line 1 is no event/)
    expect(await readFile(path, 'utf8')).toBe('my diary\nday two\n')
    await expect(openRunLog(folder)).rejects.toThrow(RunError)
  })

  it('is read without a crash or an invented event, whatever it holds', () => {
    const known = [event(0), event(8, 'save'), event(16, 'begin')].map((one) => JSON.stringify(one))
    const line = fc.oneof(fc.constantFrom(...known), fc.string(), fc.json())
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.boolean(), (lines, ends) => {
        const text = lines.join('\n') + (ends ? '\n' : '')
        try {
          const { events, length } = parseEvents(text)
          expect(length).toBeLessThanOrEqual(text.length)
          for (const one of events) expect(known).toContain(JSON.stringify(one))
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError)
        }
      }),
    )
  })

  it('joins the parts of a run: what was done after the last save is void', () => {
    const parts = [event(0, 'begin'), event(8), event(16), event(24), event(16, 'begin'), event(24), event(32)]
    const joined = joinedEvents(parts).map(({ kind, samples }) => `${kind} ${samples}`)
    expect(joined).toEqual(['begin 0', 'step 8', 'step 16', 'begin 16', 'step 24', 'step 32'])
  })
})

describe('a process that is killed at any moment', () => {
  const program = fileURLToPath(new URL('./trainInFolder.mjs', import.meta.url))
  const start = (run: string): ChildProcess =>
    spawn(process.execPath, ['--conditions=@tarazed/source', program, run], { stdio: ['ignore', 'pipe', 'inherit'] })

  /** Kills the process so many milliseconds after its first update; resolves to its last line, or null when it was killed. */
  function killedAfter(run: string, ms: number): Promise<string | null> {
    const child = start(run)
    let output = ''
    child.stdout?.on('data', (data: Buffer) => {
      if (output === '') setTimeout(() => child.kill('SIGKILL'), ms)
      output += data.toString()
    })
    return new Promise((resolve) => child.on('close', (code) => resolve(code === 0 ? output : null)))
  }

  it('leaves whole checkpoints, loses no more than the work since the last one, and ends with the same bits', async () => {
    const run = await fresh()
    const store = diskCheckpoints(join(run, 'checkpoints'))
    let steps = 0
    let killed = 0
    for (let attempt = 0; attempt < 6; attempt++) {
      const output = await killedAfter(run, 5 + 37 * attempt)
      if (output === null) killed++
      for (const name of await store.list()) await readCheckpoint(join(run, 'checkpoints', name)) // throws if it is broken
      const saves = (await readRunLog(join(run, 'events.jsonl'))).filter(({ kind }) => kind === 'save')
      const latest = (await store.latest())?.record.counters.step ?? 0
      expect(latest).toBeGreaterThanOrEqual(Math.max(steps, ...saves.map(({ step }) => step)))
      steps = latest
    }
    expect(killed).toBeGreaterThan(0)
    await killedAfter(run, 1e6)
    const whole = createTrainer({ ...options(), plan: { ...options().plan, samples: 8 * 400 } })
    while (!whole.done) await whole.step()
    expect(facts((await store.latest()) as Snapshot)).toEqual(facts(await whole.snapshot()))
  })
})
