/** A result as a table for the terminal. */
import type { Result, Row } from './bench.js'

export function formatResult(result: Result): string {
  const header = ['case', 'unit', 'ours', 'ratio', 'ceiling', 'bar', '', 'peers']
  const lines = [header, ...result.rows.map(cells)]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const body = lines.map((line) =>
    line
      .map((cell, k) => (k === line.length - 1 ? cell : cell.padEnd(widths[k])))
      .join('  ')
      .trimEnd(),
  )
  return `\n${result.name} — ${result.machine}\n${body.join('\n')}`
}

function cells(row: Row): string[] {
  const peers = Object.entries(row.peers).map(
    ([name, value]) => `${name} ${typeof value === 'number' ? figure(value) : `— ${value}`}`,
  )
  return [
    row.case,
    row.unit,
    row.ours === null ? `— ${row.reason}` : figure(row.ours),
    row.ratio === null ? '' : `${row.ratio.toFixed(2)}×`,
    row.ceiling === null ? '' : `${(row.ceiling * 100).toFixed(0)} %`,
    row.bar ?? '',
    row.ok === null ? '' : row.ok ? 'met' : 'MISSED',
    peers.join(' · '),
  ]
}

function figure(value: number): string {
  if (value === 0) return '0'
  if (Math.abs(value) < 0.001) return value.toExponential(1)
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(4, digits))
}
