import { describe, expect, it } from 'vitest'
import {
  atLeast,
  atLeastFigure,
  atMost,
  within,
  type Bench,
  type Engine,
  type Measurements,
  type RowSpec,
} from '../src/bench.js'
import { benches } from '../src/benches/index.js'
import { betterOf, makeRow } from '../src/rows.js'
import { formatResult } from '../src/table.js'

const OURS: Engine = { name: 'ours', module: 'tarazed', options: {} }
const [SLOW, FAST]: Engine[] = ['slow', 'fast'].map((name) => ({ name, module: 'jaxjs', options: {} }))

const spec: RowSpec = { case: 'work', unit: 'ms', better: 'lower', ours: OURS, peers: [SLOW, FAST], ceiling: 'limit' }

function rowOf(options: Partial<RowSpec>, measured: Readonly<Record<string, Measurements>>) {
  return makeRow({ ...spec, ...options }, new Map(Object.entries(measured)))
}

describe('a row of a result', () => {
  it('compares times with the fastest peer and with the limit', () => {
    const row = rowOf({}, { ours: { work: 4, limit: 3 }, slow: { work: 40 }, fast: { work: 6 } })
    expect(row).toMatchObject({ ours: 4, ratio: 1.5, ceiling: 0.75, peers: { slow: 40, fast: 6 }, ok: null, bar: null })
  })

  it('compares rates the other way round', () => {
    const row = rowOf({ better: 'higher' }, { ours: { work: 30, limit: 40 }, slow: { work: 10 }, fast: { work: 20 } })
    expect(row).toMatchObject({ ratio: 1.5, ceiling: 0.75 })
  })

  it('names a peer that could not run with its reason, and misses the bar about it', () => {
    const row = rowOf(
      { bars: [atLeast(2, 'fast')] },
      { ours: { work: 4 }, slow: { work: 40 }, fast: { '*': { reason: 'it broke' } } },
    )
    expect(row).toMatchObject({ peers: { slow: 40, fast: 'it broke' }, ratio: 10, ok: false, bar: '≥ 2× fast' })
  })

  it('says why there is no figure of ours, and misses its bar', () => {
    const row = rowOf({ bars: [atMost(5, 'ms')] }, { ours: { '*': { reason: 'no memory' } }, fast: { work: 6 } })
    expect(row).toMatchObject({ ours: null, ratio: null, ok: false, reason: 'no memory' })
  })

  it('meets a bar only if all of its parts are met', () => {
    const measured = { ours: { work: 4 }, slow: { work: 40 }, fast: { work: 6 } }
    expect(rowOf({ bars: [atLeast(1.5), atMost(4, 'ms')] }, measured).ok).toBe(true)
    expect(rowOf({ bars: [atLeast(1.5), atMost(3, 'ms')] }, measured).ok).toBe(false)
  })
})

describe('the bar of a figure that is no contest', () => {
  const bars = [within(0.001, 'slow', 'fast')]

  it('is met by equal figures, and missed by one that differs either way', () => {
    expect(rowOf({ bars }, { ours: { work: 8 }, slow: { work: 8.0009 }, fast: { work: 7.9991 } }).ok).toBe(true)
    expect(rowOf({ bars }, { ours: { work: 8 }, slow: { work: 8.002 }, fast: { work: 8 } }).ok).toBe(false)
    expect(rowOf({ bars }, { ours: { work: 8 }, slow: { work: 8 }, fast: { work: 7.998 } }).ok).toBe(false)
  })

  it('is missed when a peer has no figure, or one that is not a number', () => {
    expect(rowOf({ bars }, { ours: { work: 8 }, slow: { work: 8 }, fast: { '*': { reason: 'it broke' } } }).ok).toBe(
      false,
    )
    expect(rowOf({ bars }, { ours: { work: 8 }, slow: { work: 8 }, fast: { work: NaN } }).ok).toBe(false)
  })
})

describe('the bar of a share', () => {
  it('is met from its limit on', () => {
    const bars = [atLeastFigure(60, '%')]
    expect(rowOf({ bars, peers: [], better: 'higher' }, { ours: { work: 60 } })).toMatchObject({
      ok: true,
      bar: '≥ 60 %',
    })
    expect(rowOf({ bars, peers: [], better: 'higher' }, { ours: { work: 59.9 } }).ok).toBe(false)
  })
})

describe('two measurements of an engine', () => {
  const bench: Bench = { name: 'test', about: '', rows: [spec, { ...spec, case: 'rate', better: 'higher' }] }

  it('keep the shorter time and the higher rate', () => {
    expect(betterOf({ work: 4, rate: 7 }, { work: 5, rate: 6 }, bench)).toEqual({ work: 4, rate: 7 })
  })

  it('keep a figure where the other one has a reason', () => {
    const reason = { reason: 'it broke' }
    expect(betterOf({ work: 4, rate: reason }, { work: reason, rate: 6 }, bench)).toEqual({ work: 4, rate: 6 })
  })
})

describe('the table', () => {
  it('shows every row, reasons included', () => {
    const rows = [
      rowOf({}, { ours: { work: 4, limit: 3 }, slow: { work: 40 }, fast: { '*': { reason: 'it broke' } } }),
      rowOf({ label: 'other' }, { slow: { work: 1 } }),
    ]
    const text = formatResult({ name: 'test', machine: 'some machine', rows })
    for (const part of ['work', '10.00×', '75 %', 'fast — it broke', 'other', '— not measured'])
      expect(text).toContain(part)
  })
})

describe('the benches', () => {
  it.each(Object.entries(benches))('%s has rows of distinct names', (name, bench) => {
    const names = bench.rows.map((row) => row.label ?? row.case)
    expect(bench.name).toBe(name)
    expect(new Set(names).size).toBe(names.length)
  })
})
