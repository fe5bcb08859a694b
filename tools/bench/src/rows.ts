/** From what the processes measured to the rows of a result. */
import type { Bench, Measurements, Row, RowFigures, RowSpec } from './bench.js'

/** The better of two measurements, case by case; a figure is better than a reason. */
export function betterOf(before: Measurements | undefined, now: Measurements, bench: Bench): Measurements {
  if (before === undefined) return now
  const merged: Record<string, Measurements[string]> = { ...now }
  for (const [name, value] of Object.entries(before)) {
    const other = merged[name]
    if (typeof value !== 'number') continue
    if (typeof other !== 'number') merged[name] = value
    else merged[name] = lowerIsBetter(bench, name) ? Math.min(value, other) : Math.max(value, other)
  }
  return merged
}

function lowerIsBetter(bench: Bench, name: string): boolean {
  return bench.rows.some((row) => (row.case === name || row.ceiling === name) && row.better === 'lower')
}

/** The figures of one row: ratios are above 1 where ours is better. A peer without a figure is named with its reason. */
export function makeRow(spec: RowSpec, found: ReadonlyMap<string, Measurements>): Row {
  const mine = found.get(spec.ours.name) ?? {}
  const ours = mine[spec.case] ?? mine['*']
  const peers: Record<string, number | string> = {}
  const ratios: Record<string, number> = {}
  for (const peer of spec.peers) {
    const measured = found.get(peer.name) ?? {}
    const value = measured[spec.case] ?? measured['*'] ?? { reason: 'no such case' }
    peers[peer.name] = typeof value === 'number' ? value : value.reason
    if (typeof value === 'number' && typeof ours === 'number')
      ratios[peer.name] = spec.better === 'higher' ? ours / value : value / ours
  }
  const base = {
    case: spec.label ?? spec.case,
    unit: spec.unit,
    peers,
    bar: spec.bars?.map((bar) => bar.text).join(', ') ?? null,
  }
  if (typeof ours !== 'number')
    return {
      ...base,
      ours: null,
      ratio: null,
      ceiling: null,
      ok: spec.bars === undefined ? null : false,
      reason: ours?.reason ?? 'not measured',
    }
  const ceiling = spec.ceiling === undefined ? null : mine[spec.ceiling]
  const share = typeof ceiling !== 'number' ? null : spec.better === 'higher' ? ours / ceiling : ceiling / ours
  const best = Object.values(ratios)
  const ratio = best.length === 0 ? null : Math.min(...best)
  const figures: RowFigures = { ours, peers: ratios, ratio, share }
  return {
    ...base,
    ours,
    ratio,
    ceiling: share,
    ok: spec.bars === undefined ? null : spec.bars.every((bar) => bar.met(figures)),
  }
}
