import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../src/node.js'

describe('makeFolder', () => {
  let root: string
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'tarazed-folder-'))
  })
  afterAll(() => rm(root, { recursive: true }))

  it('makes the folders above too, and leaves one that is there', async () => {
    const path = join(root, 'a/b/c')
    await Promise.all([makeFolder(path), makeFolder(path)])
    await makeFolder(path)
    expect((await stat(path)).isDirectory()).toBe(true)
  })

  it('tells when a file is in the way', async () => {
    await writeFile(join(root, 'file'), '')
    await expect(makeFolder(join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(makeFolder(join(root, 'file/inside'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it.skipIf(!existsSync('/proc/self'))('ends where the system refuses to make folders', async () => {
    await expect(makeFolder('/proc/nothing/here')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
