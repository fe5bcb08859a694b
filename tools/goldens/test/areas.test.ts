import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { filesOf, findAreas } from '../src/areas.js'
import { parseFilter } from '../src/filter.js'
import { temporaryFolder, writeFile, writeJsonFile } from './files.js'

function twoAreas(): string {
  const folder = temporaryFolder()
  writeJsonFile(folder, 'one/goldens.json', { kind: 'tensor', layout: 1 })
  writeFile(folder, 'one/ops/a.safetensors', '')
  writeJsonFile(folder, 'two/goldens.json', { kind: 'onnx', layout: 1 })
  writeJsonFile(folder, 'two/inner/goldens.json', { kind: 'lm', layout: 3 })
  writeFile(folder, 'two/inner/b.json', '')
  writeFile(folder, 'two/c.json', '')
  return folder
}

describe('areas', () => {
  it('are all found below a parent', () => {
    const { selections, problems } = findAreas([twoAreas()])
    expect(problems).toEqual([])
    expect(selections.map(({ area, below }) => [area.name, area.kind, area.layout, below])).toEqual([
      ['one', 'tensor', 1, null],
      ['two', 'onnx', 1, null],
      ['inner', 'lm', 3, null],
    ])
  })

  it('give a part of themselves for a folder or file inside', () => {
    const folder = twoAreas()
    const parts = [join(folder, 'one/ops'), join(folder, 'two/c.json')]
    expect(findAreas(parts).selections.map(({ area, below }) => [area.name, below])).toEqual([
      ['one', ['ops']],
      ['two', ['c.json']],
    ])
  })

  it('stay whole when asked for as a whole and in part', () => {
    const folder = twoAreas()
    const { selections } = findAreas([join(folder, 'one/ops'), join(folder, 'one'), join(folder, 'one/ops')])
    expect(selections.map(({ below }) => below)).toEqual([null])
  })

  it('do not own the files of areas inside them', () => {
    const { selections } = findAreas([join(twoAreas(), 'two')])
    expect(selections.map(({ area }) => filesOf(area))).toEqual([
      ['c.json', 'goldens.json'],
      ['b.json', 'goldens.json'],
    ])
  })

  it('are a problem when the folder is missing, holds none, or its marker is broken', () => {
    const folder = temporaryFolder()
    writeFile(folder, 'broken/goldens.json', '{"kind": 1}')
    writeFile(folder, 'empty/file', '')
    const { selections, problems } = findAreas(['broken', 'empty', 'missing'].map((name) => join(folder, name)))
    expect(selections).toEqual([])
    expect(problems.join('\n')).toMatch(/empty: neither.*\n.*missing: no such folder\n.*goldens.json: must be/)
  })
})

describe('a filter', () => {
  it('keeps what has one of its parts and none of those with !', () => {
    const wanted = parseFilter('matmul, conv ,!bf16')
    expect(['tensor/matmul/1', 'tensor/conv2d/bf16', 'tensor/add/1'].map(wanted)).toEqual([true, false, false])
  })

  it('keeps everything but what it leaves out when it only leaves out', () => {
    expect(['a', 'b'].map(parseFilter('!a'))).toEqual([false, true])
  })
})
