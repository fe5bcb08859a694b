import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { whyInstall } from '../prepare.mjs'

describe('whyInstall', () => {
  let folder: string
  const a = { version: '1.0.0', integrity: 'sha512-a' }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tarazed-prepare-'))
    mkdirSync(join(folder, 'node_modules'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function lock(file: string, packages: object): void {
    writeFileSync(join(folder, file), JSON.stringify({ packages }))
  }
  const wanted = (packages: object): void => lock('package-lock.json', { '': {}, 'packages/x': {}, ...packages })
  const installed = (packages: object): void => lock('node_modules/.package-lock.json', packages)

  it('asks for an installation where there is none', () => {
    wanted({ 'node_modules/a': a })
    expect(whyInstall(folder)).toMatch('nothing is installed')
  })

  it('is content when everything in the lockfile is there', () => {
    wanted({ 'node_modules/a': a })
    installed({ 'node_modules/a': a })
    expect(whyInstall(folder)).toBeUndefined()
  })

  it('names a missing package and one of another version', () => {
    wanted({ 'node_modules/a': a })
    installed({})
    expect(whyInstall(folder)).toBe('node_modules/a is missing')
    installed({ 'node_modules/a': { ...a, version: '0.9.0' } })
    expect(whyInstall(folder)).toBe('node_modules/a differs from the lockfile')
  })

  it('accepts the absence of optional packages, which other platforms need', () => {
    wanted({ 'node_modules/a': a, 'node_modules/b': { ...a, optional: true } })
    installed({ 'node_modules/a': a })
    expect(whyInstall(folder)).toBeUndefined()
  })
})
