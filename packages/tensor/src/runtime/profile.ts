/** `profile(fn)`: the time of every step that runs meanwhile, with bytes, FLOP and share of the machine's roofline. */
import { programWork, stepWork } from '../compiler/work.js'
import type { Backend, Executable, RunBindings } from '../program/backend.js'

/** What the machine can do, for shares of the roofline: measure it with the backend's ceilings. */
export interface Roofline {
  readonly gflops: number
  readonly gigabytesPerSecond: number
}

/** One step as it ran: when, how long, and the bytes and operations that it stands for. */
export interface ProfiledStep {
  readonly label: string
  readonly startMicroseconds: number
  readonly microseconds: number
  readonly bytes: number
  readonly flops: number
  /** 0 … 1: time at the roofline / time taken; undefined without a roofline. */
  readonly share: number | undefined
}

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

interface Recorder {
  readonly steps: ProfiledStep[]
  programs: number
  clock: number
  readonly roofline: Roofline | undefined
}

let recorder: Recorder | null = null

/**
 * Runs `fn` and records every step of the programs that run meanwhile. Steps are timed one by one, so overlaps are lost.
 * A backend without step times reports whole programs.
 */
export async function profile(fn: () => unknown, options: { readonly roofline?: Roofline } = {}): Promise<Profile> {
  const mine: Recorder = { steps: [], programs: 0, clock: 0, roofline: options.roofline }
  const before = recorder
  recorder = mine
  try {
    await fn()
  } finally {
    recorder = before
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

/** Enqueues a run, with step times while a profile is recorded. */
export function runExecutable(backend: Backend, executable: Executable, bindings: RunBindings): Promise<void> {
  const mine = recorder
  if (mine === null) return backend.run(executable, bindings)
  const started = performance.now()
  const times =
    backend.profile?.(executable, bindings) ??
    backend
      .run(executable, bindings)
      .then(() => [{ label: 'program', microseconds: (performance.now() - started) * 1000 }])
  return times.then((list) => {
    mine.programs++
    const { program } = executable
    const whole = list.length !== program.steps.length
    list.forEach((time, k) => {
      const { bytes, flops } = whole ? programWork(program) : stepWork(program.steps[k], program)
      const share =
        mine.roofline === undefined ? undefined : rooflineMicroseconds(bytes, flops, mine.roofline) / time.microseconds
      mine.steps.push({
        label: time.label,
        startMicroseconds: mine.clock,
        microseconds: time.microseconds,
        bytes,
        flops,
        share,
      })
      mine.clock += time.microseconds
    })
  })
}

function rooflineMicroseconds(bytes: number, flops: number, roofline: Roofline): number {
  return Math.max(bytes / (roofline.gigabytesPerSecond * 1e3), flops / (roofline.gflops * 1e3))
}

function formatTable(steps: readonly ProfiledStep[], total: number, rows: number): string {
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
