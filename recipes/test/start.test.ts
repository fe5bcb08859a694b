import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'start-'))
  await writeFile(join(folder, 'text.txt'), 'the quick brown fox jumps over the lazy dog. '.repeat(100))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const tiny = ['--layers=1', '--width=32', '--context=16', '--batch=2', '--threads=1', '--sample=30', '--lang=en']

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

describe('npm start', () => {
  it('trains on text of the user, saves and writes', async () => {
    const { code, out, err } = await start([...tiny, '--corpus=text.txt', '--steps=20', '--out=run', '--prompt=fox'])
    expect(err).toMatch(/Held-out text: [\d.]+ bits per byte \(before training [89][\d.]+; gzip -9 needs [\d.]+\)/)
    expect(err).toContain('Saved in run: model.safetensors')
    expect(out.startsWith('fox')).toBe(true)
    expect(Buffer.from(out.trim()).length).toBeGreaterThan(20)
    expect(code).toBe(0)
    expect(await readdir(join(folder, 'run'))).toContain('model.safetensors')
  })

  it('saves at Ctrl-C, says how to go on, and goes on to the end', async () => {
    const stopped = await start([...tiny, '--corpus=text.txt', '--steps=1000000', '--out=stopped'], {
      interruptAt: /step 1\/1000000/,
    })
    expect(stopped.err).toMatch(/Stopped at step \d+\. Go on with:\n {2}npm start -- --resume stopped\n$/)
    expect(stopped.code).toBe(130)
    const step = Number(/Stopped at step (\d+)/.exec(stopped.err)?.[1])
    const resumed = await start(['--resume=stopped', `--steps=${step + 5}`, '--threads=1', '--sample=5', '--lang=zh'])
    expect(resumed.err).toContain(`继续 stopped：第 ${step}/${step + 5} 步`)
    expect(resumed.err).not.toContain('文本与这次训练开始时不同')
    expect(resumed.err).toContain(`训练 ${step + 5} 步`)
    expect(resumed.code).toBe(0)
  })

  it('explains what is wrong without a stack trace', async () => {
    await writeFile(join(folder, 'photo.jpg'), Uint8Array.of(0, 1, 2))
    const cases: [string[], string][] = [
      [['--corpus=nowhere'], 'There is no file or folder'],
      [['--corpus=photo.jpg'], '(1 files skipped)'],
      [['--out=run', '--corpus=text.txt'], 'run already holds a run'],
      [['--out=text.txt', '--corpus=text.txt', '--steps=1'], 'is not a folder'],
      [['--resume=nowhere'], 'No run to resume in'],
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
