import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { heldOutWindows, trainingWindows } from '../start/batches.js'
import { readCorpus } from '../start/corpus.js'
import { Failure } from '../start/failure.js'
import { messagesIn } from '../start/messages.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'corpus-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const text = (bytes: number) => 'a line of text\n'.repeat(Math.ceil(bytes / 15)).slice(0, bytes)
const read = (path = folder) => readCorpus(path, { context: 16 })

async function toldReason(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Failure)
  return (error as Failure).tell(messagesIn('en'))
}

describe('corpus', () => {
  it('joins the files of all sub-folders in the order of their paths, each ended by a zero byte', async () => {
    await mkdir(join(folder, 'b'))
    await writeFile(join(folder, 'b', 'two.md'), text(100))
    await writeFile(join(folder, 'a.txt'), text(50))
    const { bytes, files } = await read()
    expect(files).toBe(2)
    expect(Buffer.from(bytes).toString()).toBe(`${text(50)}\0${text(100)}\0`)
  })

  it('takes a single file as well as a folder', async () => {
    await writeFile(join(folder, 'a.txt'), text(200))
    expect((await read(join(folder, 'a.txt'))).files).toBe(1)
  })

  it('skips binary, non-UTF-8 and empty files and says which', async () => {
    await writeFile(join(folder, 'good.txt'), text(200))
    await writeFile(join(folder, 'image.png'), Uint8Array.of(0x89, 0x50, 0, 0, 1))
    await writeFile(join(folder, 'gbk.txt'), Uint8Array.of(0xc4, 0xe3, 0xba, 0xc3))
    await writeFile(join(folder, 'empty.txt'), '')
    const { files, skipped } = await read()
    expect(files).toBe(1)
    expect(skipped).toEqual([
      { path: 'empty.txt', reason: 'empty' },
      { path: 'gbk.txt', reason: 'notUtf8' },
      { path: 'image.png', reason: 'binary' },
    ])
  })

  it('does not wait for a pipe, follow links in a circle, or stumble over a dead link', async () => {
    await writeFile(join(folder, 'good.txt'), text(200))
    execFileSync('mkfifo', [join(folder, 'pipe')])
    await symlink(folder, join(folder, 'circle'))
    await symlink(join(folder, 'nowhere'), join(folder, 'dead'))
    const { files, skipped } = await read()
    expect(files).toBe(1)
    expect(Object.fromEntries(skipped.map(({ path, reason }) => [path, reason]))).toEqual({
      circle: 'special',
      dead: 'unreadable',
      pipe: 'special',
    })
  })

  it('leaves out dot-folders and node_modules', async () => {
    for (const name of ['.git', 'node_modules']) {
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'x.txt'), text(100))
    }
    await writeFile(join(folder, 'a.txt'), text(200))
    expect((await read()).files).toBe(1)
  })

  it('drops a byte order mark and keeps names of any script', async () => {
    await writeFile(join(folder, '诗 1.txt'), `\ufeff${'春眠不觉晓，'.repeat(20)}`)
    const { bytes } = await read()
    expect(Buffer.from(bytes).toString().startsWith('春眠')).toBe(true)
  })

  it('holds out about a twentieth of a long text, from all over it, and shares no byte with training', async () => {
    const lines = Array.from({ length: 20_000 }, (_, k) => `line ${k}\n`).join('')
    await writeFile(join(folder, 'a.txt'), lines)
    const { bytes, train, heldOut } = await read()
    expect(train.length + heldOut.length).toBe(bytes.length)
    expect(heldOut.length / bytes.length).toBeGreaterThan(0.03)
    expect(heldOut.length / bytes.length).toBeLessThan(0.07)
    const trained = Buffer.from(train).toString()
    const held = Buffer.from(heldOut).toString().split('\n').slice(1, -1)
    expect(held.length).toBeGreaterThan(100)
    expect(held.filter((line) => /^line \d+$/.test(line) && trained.includes(`\n${line}\n`))).toEqual([])
  })

  it('has something to train on and something held out even in the shortest text that it takes', async () => {
    await writeFile(join(folder, 'a.txt'), text(4 * 17))
    const { train, heldOut } = await read()
    expect(train.length).toBeGreaterThanOrEqual(17)
    expect(heldOut.length).toBeGreaterThanOrEqual(17)
  })

  it('says in plain words what is missing', async () => {
    expect(await toldReason(read(join(folder, 'nowhere')))).toContain('There is no file or folder')
    expect(await toldReason(read())).toContain('No text in')
    await writeFile(join(folder, 'a.txt'), 'short')
    expect(await toldReason(read())).toContain('Only 6 bytes of text')
  })
})

describe('windows', () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_, k) => k % 251)

  it('depend on seed and step alone', () => {
    const one = { seed: 3, step: 7, rows: 4, length: 9 }
    expect(trainingWindows(bytes, one)).toEqual(trainingWindows(bytes, one))
    expect(trainingWindows(bytes, one)).not.toEqual(trainingWindows(bytes, { ...one, step: 8 }))
    expect(trainingWindows(bytes, one)).not.toEqual(trainingWindows(bytes, { ...one, seed: 4 }))
    expect(trainingWindows(bytes, one)).not.toEqual(trainingWindows(bytes, { ...one, seed: 2 ** 40 + 3 }))
  })

  it('are pieces of the text and come from all over it', () => {
    const starts = new Set<number>()
    for (let step = 0; step < 200; step++) {
      const windows = trainingWindows(bytes, { seed: 0, step, rows: 8, length: 5 })
      for (let row = 0; row < 8; row++) {
        const window = [...windows.subarray(row * 5, row * 5 + 5)]
        expect(window).toEqual(window.map((_, k) => (window[0] + k) % 251))
        starts.add(window[0])
      }
    }
    expect(starts.size).toBeGreaterThan(240)
  })

  it('of held-out text are whole batches between its two ends', () => {
    const batches = heldOutWindows(bytes, { rows: 4, length: 10, most: 18 })
    expect(batches.map((batch) => batch.length)).toEqual([40, 40, 40, 40])
    expect([...batches[0].subarray(0, 3)]).toEqual([0, 1, 2])
    expect(batches[3][39]).toBe(4999 % 251)
  })

  it('repeat when the held-out text is shorter than a batch', () => {
    const [batch, ...more] = heldOutWindows(bytes.subarray(0, 10), { rows: 3, length: 10, most: 100 })
    expect(more).toEqual([])
    expect([...batch]).toEqual([...Array(3)].flatMap(() => [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
  })
})
