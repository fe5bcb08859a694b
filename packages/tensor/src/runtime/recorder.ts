/** Runs, with the time of every step while a profile is recorded. */
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

/** What is recorded while a profiled function runs. */
export interface Recorder {
  readonly steps: ProfiledStep[]
  programs: number
  clock: number
  readonly roofline: Roofline | undefined
}

let recorder: Recorder | null = null

/** Steps are recorded there from now on. Returns the recorder before. */
export function recordSteps(next: Recorder | null): Recorder | null {
  const before = recorder
  recorder = next
  return before
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
