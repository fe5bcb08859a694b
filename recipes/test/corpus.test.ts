import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileCorpus, languageOf, wholeOf } from '../start/corpus.js'
import { Failure } from '../start/failure.js'
import { messagesIn } from '../start/speak.js'
import { readTextFiles } from '../start/textFiles.js'
import { worldCorpus } from '../start/worldCorpus.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'corpus-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const lines = (count: number, word = 'line') => Array.from({ length: count }, (_, k) => `${word} ${k}\n`).join('')

async function toldReason(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Failure)
  return (error as Failure).tell(messagesIn('en'))
}

describe('text files', () => {
  it('are those of all sub-folders in the order of their paths', async () => {
    await mkdir(join(folder, 'b'))
    await writeFile(join(folder, 'b', 'two.md'), 'two')
    await writeFile(join(folder, 'a.txt'), 'one')
    const { files } = await readTextFiles(folder)
    expect(files).toEqual([
      { path: 'a.txt', text: 'one' },
      { path: 'b/two.md', text: 'two' },
    ])
  })

  it('may be a single one', async () => {
    await writeFile(join(folder, 'a.txt'), 'one')
    expect((await readTextFiles(join(folder, 'a.txt'))).files).toHaveLength(1)
  })

  it('are not binary, non-UTF-8 or empty ones, which are named', async () => {
    await writeFile(join(folder, 'good.txt'), 'good')
    await writeFile(join(folder, 'image.png'), Uint8Array.of(0x89, 0x50, 0, 0, 1))
    await writeFile(join(folder, 'gbk.txt'), Uint8Array.of(0xc4, 0xe3, 0xba, 0xc3))
    await writeFile(join(folder, 'empty.txt'), '')
    const { files, skipped } = await readTextFiles(folder)
    expect(files).toHaveLength(1)
    expect(skipped).toEqual([
      { path: 'empty.txt', reason: 'empty' },
      { path: 'gbk.txt', reason: 'notUtf8' },
      { path: 'image.png', reason: 'binary' },
    ])
  })

  it('do not wait for a pipe, follow links in a circle, or stumble over a dead link', async () => {
    await writeFile(join(folder, 'good.txt'), 'good')
    execFileSync('mkfifo', [join(folder, 'pipe')])
    await symlink(folder, join(folder, 'circle'))
    await symlink(join(folder, 'nowhere'), join(folder, 'dead'))
    const { files, skipped } = await readTextFiles(folder)
    expect(files).toHaveLength(1)
    expect(Object.fromEntries(skipped.map(({ path, reason }) => [path, reason]))).toEqual({
      circle: 'special',
      dead: 'unreadable',
      pipe: 'special',
    })
  })

  it('leave out dot-folders and node_modules, drop a byte order mark, and have names of any script', async () => {
    for (const name of ['.git', 'node_modules']) {
      await mkdir(join(folder, name))
      await writeFile(join(folder, name, 'x.txt'), 'not read')
    }
    await writeFile(join(folder, '诗 1.txt'), '\ufeff春眠不觉晓')
    expect((await readTextFiles(folder)).files).toEqual([{ path: '诗 1.txt', text: '春眠不觉晓' }])
  })
})

describe('a corpus of files', () => {
  it('holds out the end of a large file, at a line, and shares no line with training', async () => {
    await writeFile(join(folder, 'a.txt'), lines(20_000))
    const { domains } = await fileCorpus(folder)
    expect(domains).toHaveLength(1)
    const [{ texts, heldOut, name }] = domains
    const [learned, held] = [texts.map(wholeOf).join(''), heldOut.join('')]
    expect(name).toBe('a.txt')
    expect(learned + held).toBe(lines(20_000))
    expect(held.length / (learned.length + held.length)).toBeCloseTo(0.05, 2)
    expect(learned.endsWith('\n')).toBe(true)
  })

  it('has a domain for each large file, and one for each language of the small ones', async () => {
    await writeFile(join(folder, 'big.txt'), lines(3000))
    await writeFile(join(folder, 'large.txt'), lines(4000, '行'))
    for (let k = 0; k < 40; k++) await writeFile(join(folder, `en${k}.txt`), lines(12))
    for (let k = 0; k < 40; k++) await writeFile(join(folder, `zh${k}.txt`), lines(12, '第几行'))
    const { domains } = await fileCorpus(folder)
    expect(domains.map(({ name, language }) => `${name} ${language}`)).toEqual([
      'big.txt en',
      'large.txt zh',
      'English en',
      '中文 zh',
    ])
    for (const { heldOut, texts } of domains) {
      expect(heldOut.length).toBeGreaterThan(0)
      expect(texts.length).toBeGreaterThan(0)
    }
    const small = domains[2]
    expect(small.texts.length + small.heldOut.length).toBe(40)
  })

  it('learns files that are too small to be scored with another domain', async () => {
    await writeFile(join(folder, 'README.md'), 'few words')
    await writeFile(join(folder, 'big.txt'), lines(3000))
    const { domains } = await fileCorpus(folder)
    expect(domains.map(({ name }) => name)).toEqual(['big.txt'])
    expect(domains[0].texts.map(wholeOf)[0]).toBe('few words')
  })

  it('never cuts a character in two', async () => {
    await writeFile(join(folder, 'a.txt'), '😀𠮷'.repeat(3000))
    const { domains } = await fileCorpus(folder)
    for (const text of [...domains[0].texts.map(wholeOf), ...domains[0].heldOut])
      expect(text).toBe(Buffer.from(text).toString())
  })

  it('has a hash that any change of the text changes', async () => {
    const hash = async (text: string) => {
      await writeFile(join(folder, 'a.txt'), text)
      return (await fileCorpus(folder)).sha256
    }
    expect(await hash(lines(500))).toBe(await hash(lines(500)))
    expect(await hash(lines(500))).not.toBe(await hash(lines(501)))
  })

  it('says in plain words what is missing', async () => {
    expect(await toldReason(fileCorpus(join(folder, 'nowhere')))).toContain('There is no file or folder')
    expect(await toldReason(fileCorpus(folder))).toContain('No text in')
    await writeFile(join(folder, 'a.txt'), 'short')
    expect(await toldReason(fileCorpus(folder))).toContain('Only 5 bytes of text')
  })

  it('tells Chinese from English by the share of its characters', () => {
    expect(['hello world', '你好，世界', 'README 说明文件的内容', 'a text with 一 character'].map(languageOf)).toEqual([
      'en',
      'zh',
      'zh',
      'en',
    ])
  })
})

describe('the default corpus', () => {
  it('is the tiny world in ten domains and documents of the repository, the same for the same seed', async () => {
    await writeFile(join(folder, 'README.md'), lines(100))
    await mkdir(join(folder, 'docs'))
    for (let k = 0; k < 12; k++) await writeFile(join(folder, 'docs', `${k}.md`), lines(50))
    await writeFile(join(folder, 'docs', 'secret.txt'), 'not a document')
    const corpus = await worldCorpus(folder, 5, { scale: 0.001 })
    expect(corpus).toMatchObject({ isWorld: true, files: 13 })
    expect(corpus.domains.map(({ name }) => name)).toEqual([
      'stories en',
      'stories zh',
      'questions en',
      'questions zh',
      'arithmetic en',
      'arithmetic zh',
      'translation en',
      'translation zh',
      'code en',
      'code zh',
      'documents',
    ])
    expect((await worldCorpus(folder, 5, { scale: 0.001 })).sha256).toBe(corpus.sha256)
    expect((await worldCorpus(folder, 6, { scale: 0.001 })).sha256).not.toBe(corpus.sha256)
  })
})
