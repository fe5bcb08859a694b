/** `profile(fn)`: the time of every step that runs meanwhile, with bytes, FLOP and share of the machine's roofline. */
import { ArgumentError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import { argumentError, show } from '../ops/check.js'
import { checkOptions } from '../ops/options.js'
import { flattenTree } from '../pytree.js'
import { evaluate } from './evaluate.js'
import { recordSteps, type ProfiledStep, type Recorder, type Roofline } from './recorder.js'

export type { ProfiledStep, Roofline } from './recorder.js'

/** What `profile(fn)` recorded, in the order of the runs. */
export interface Profile {
  readonly steps: readonly ProfiledStep[]
  readonly programs: number
  readonly totalMicroseconds: number
  /** A table of the steps, the slowest first; equal labels are added up. */
  table(rows?: number): string
  /** JSON for chrome://tracing and Perfetto. */
  chromeTrace(): string
}

/**
 * Runs `fn`, evaluates the tensors that it returns, and records every step of the programs that run meanwhile. Steps are
 * timed one by one, so overlaps are lost. A backend without step times reports whole programs.
 */
export async function profile(fn: () => unknown, options: { readonly roofline?: Roofline } = {}): Promise<Profile> {
  if (typeof fn !== 'function')
    throw argumentError('profile', 'it takes the function to run', show(fn), 'write profile(() => step(batch))')
  const { roofline } = checkOptions('profile', options, ['roofline'])
  if (roofline !== undefined) checkOptions('profile', roofline, PEAKS, PEAKS)
  const mine: Recorder = { steps: [], programs: 0, clock: 0, roofline }
  const before = recordSteps(mine)
  try {
    await evaluateResult(await fn())
  } finally {
    recordSteps(before)
  }
  const { steps, programs, clock } = mine
  return {
    steps,
    programs,
    totalMicroseconds: clock,
    table: (rows = 20) => formatTable(steps, clock, rows),
    chromeTrace: () => chromeTrace(steps),
  }
}

const PEAKS = ['gflops', 'gigabytesPerSecond'] as const

/** A function that only builds a graph has done nothing yet. What is no tree of tensors is left alone. */
async function evaluateResult(result: unknown): Promise<void> {
  await evaluate(leavesOf(result))
}

function leavesOf(result: unknown): Tensor[] {
  try {
    return flattenTree(result).leaves.filter(({ state }) => state === 'lazy' || state === 'pending')
  } catch (error) {
    if (error instanceof ArgumentError) return []
    throw error
  }
}

function formatTable(steps: readonly ProfiledStep[], total: number, rows: number): string {
  if (steps.length === 0)
    return 'no program ran: return the tensors that the function computes, or await evaluate(…) in it'
  const merged = new Map<
    string,
    { count: number; microseconds: number; bytes: number; flops: number; ideal: number; hasShare: boolean }
  >()
  for (const step of steps) {
    const row = merged.get(step.label) ?? {
      count: 0,
      microseconds: 0,
      bytes: 0,
      flops: 0,
      ideal: 0,
      hasShare: step.share !== undefined,
    }
    row.count++
    row.microseconds += step.microseconds
    row.bytes += step.bytes
    row.flops += step.flops
    row.ideal += (step.share ?? 0) * step.microseconds
    merged.set(step.label, row)
  }
  const sorted = [...merged].sort((a, b) => b[1].microseconds - a[1].microseconds).slice(0, rows)
  const lines = ['      µs   share  count     GB/s  GFLOP/s  roofline  step']
  for (const [label, row] of sorted) {
    const seconds = row.microseconds / 1e6
    const roof = row.hasShare ? `${((100 * row.ideal) / row.microseconds).toFixed(0)} %` : '-'
    lines.push(
      `${row.microseconds.toFixed(0).padStart(8)}  ${((100 * row.microseconds) / total).toFixed(1).padStart(4)} %  ${String(row.count).padStart(5)}  ${(row.bytes / seconds / 1e9).toFixed(2).padStart(7)}  ${(row.flops / seconds / 1e9).toFixed(2).padStart(7)}  ${roof.padStart(8)}  ${label}`,
    )
  }
  return lines.join('\n')
}

function chromeTrace(steps: readonly ProfiledStep[]): string {
  const traceEvents = steps.map((step) => ({
    name: step.label,
    ph: 'X',
    pid: 1,
    tid: 1,
    ts: step.startMicroseconds,
    dur: step.microseconds,
    args: { bytes: step.bytes, flops: step.flops, ...(step.share === undefined ? {} : { roofline: step.share }) },
  }))
  return JSON.stringify({ traceEvents, displayTimeUnit: 'ms' })
}
