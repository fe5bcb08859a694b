import { spawn } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fromPretrained } from '@tarazed/aquila2'
import { diskFolder } from '@tarazed/checkpoint/node'
import { readCheckpoint } from '@tarazed/heurimentor/node'
import { openCpu } from '@tarazed/kernels-cpu'
import { createGenerator } from '@tarazed/lm'
import { setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'start-'))
  await writeFile(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. \n'.repeat(400))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const tiny = '--layers=1 --width=32 --context=16 --batch=2 --vocab=300 --threads=1 --sample=10 --lang=en'.split(' ')

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the program in the test's folder; sends SIGINT when its messages match `interruptAt`. */
function start(args: readonly string[], { interruptAt }: { interruptAt?: RegExp } = {}): Promise<Ended> {
  const program = ['--conditions=@tarazed/source', join(root, 'tools/scripts/start.mjs'), ...args]
  const child = spawn(process.execPath, program, { cwd: root, env: { ...process.env, INIT_CWD: folder } })
  let [out, err, interrupted] = ['', '', false]
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString()
    if (interrupted || interruptAt === undefined || !interruptAt.test(err)) return
    interrupted = true
    child.kill('SIGINT')
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

/** The tensors of the newest checkpoint, as text. */
async function bitsOf(run: string): Promise<string[]> {
  const checkpoints = join(folder, run, 'training', 'checkpoints')
  const newest = (await readdir(checkpoints)).sort().at(-1) as string
  const { weights, slots } = await readCheckpoint(join(checkpoints, newest))
  return [weights, ...Object.values(slots)].flatMap((tensors) =>
    Object.entries(tensors).map(([name, { bytes }]) => `${name} ${Buffer.from(bytes).toString('base64')}`),
  )
}

describe('npm start', () => {
  it('trains on text of the user and leaves a checkpoint that loads, and a report', async () => {
    const { code, out, err } = await start([
      ...tiny,
      '--corpus=text.txt',
      '--steps=20',
      '--out=run',
      '--prompt=the quick',
    ])
    expect(err).toMatch(/text\.txt: [\d.]+ bits per byte of held-out text \(gzip -9 needs [\d.]+\)/)
    expect(err).toContain('Saved in run: model.safetensors')
    expect(out.startsWith('the quick')).toBe(true)
    expect(code).toBe(0)
    const files = await readdir(join(folder, 'run'))
    for (const name of ['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'report.html'])
      expect(files).toContain(name)
    const html = await readFile(join(folder, 'run', 'report.html'), 'utf8')
    expect(html).toContain('<svg')
    expect(html).not.toMatch(/<script|src=|https?:/)
    const backend = await openCpu({ threads: 1 })
    setDefaultBackend(backend)
    const { model, tokenizer, config } = await fromPretrained(diskFolder(join(folder, 'run')))
    expect(config).toMatchObject({ num_hidden_layers: 1, hidden_size: 32, max_position_embeddings: 16 })
    const [answer] = await createGenerator({ model, tokenizer }).complete(['the quick'], {
      maxNewTokens: 3,
      temperature: 0,
    })
    expect(answer.ids).toHaveLength(3)
    await backend.close()
  })

  it('saves at Ctrl-C, says how to go on, and ends with the same bits as a run that was not stopped', async () => {
    const stopped = await start([...tiny, '--corpus=text.txt', '--steps=60', '--out=stopped'], {
      interruptAt: /step 1\/60/,
    })
    expect(stopped.err).toMatch(/Stopped at step \d+\. Go on with:\n {2}npm start -- --resume stopped\n$/)
    expect(stopped.code).toBe(130)
    const step = Number(/Stopped at step (\d+)/.exec(stopped.err)?.[1])
    expect(step).toBeLessThan(60)
    const resumed = await start(['--resume=stopped', '--threads=1', '--sample=5', '--lang=zh'])
    expect(resumed.err).toContain(`继续 stopped：第 ${step}/60 步`)
    expect(resumed.err).toContain('训练 60 步')
    expect(resumed.code).toBe(0)
    await start([...tiny, '--corpus=text.txt', '--steps=60', '--out=whole'])
    expect(await bitsOf('stopped')).toEqual(await bitsOf('whole'))
    const longer = await start(['--resume=stopped', '--seconds=1', '--threads=1', '--sample=5', '--lang=en'])
    expect(Number(/Trained (\d+) steps/.exec(longer.err)?.[1])).toBeGreaterThan(60)
  })

  it('explains what is wrong without a stack trace', async () => {
    await writeFile(join(folder, 'photo.jpg'), Uint8Array.of(0, 1, 2))
    await writeFile(join(folder, 'other.txt'), 'other text '.repeat(400))
    await start([...tiny, '--corpus=other.txt', '--steps=1', '--out=changed'])
    await writeFile(join(folder, 'other.txt'), 'changed text '.repeat(400))
    const cases: [string[], string][] = [
      [['--corpus=nowhere'], 'There is no file or folder'],
      [['--corpus=photo.jpg'], '(1 files skipped)'],
      [['--out=changed', '--corpus=text.txt'], 'changed already holds a run'],
      [['--out=text.txt', '--corpus=text.txt', '--steps=1'], 'is not a folder'],
      [['--resume=nowhere'], 'No run to resume in'],
      [['--resume=changed'], 'other.txt is not the text that this run began with'],
    ]
    for (const [args, message] of cases) {
      const { code, err } = await start(args[0].startsWith('--resume') ? args : [...tiny, ...args])
      expect(err).toContain(message)
      expect(err).not.toMatch(/^ +at /m)
      expect(code).toBe(1)
    }
  })

  it('teaches its flags', async () => {
    const { code, out } = await start(['--help'])
    expect(out).toContain('npm start -- --corpus')
    expect(code).toBe(0)
  })
})
