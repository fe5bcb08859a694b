/** What the user sees. */
import { writeFileSync } from 'node:fs'
import { type Counts } from './backends.js'
import { type GoldenCase } from './case.js'
import { type Failure, type Score } from './run.js'

/** One line: where, what, how far off. */
export function showFailure(failure: Failure): string {
  const place = failure.id === '' ? failure.area : `${failure.area} ${failure.id} ${failure.op}`
  return `FAIL ${place}: ${failure.message}`
}

export function showCounts(backend: string, counts: Counts): string {
  return `backend ${backend}: ${counts.programs} programs, ${counts.steps} steps, ${counts.kernels} kernels compiled`
}

/** The last line of the output. */
export function showTotal(score: Score): string {
  const total = `${score.passed} passed, ${score.failures.length} failed`
  return score.skipped === 0 ? total : `${total}, ${score.skipped} skipped`
}

/** A line on the terminal that is written over and over; nothing when stderr is no terminal. */
export function progressLine(total: number): { step(golden: GoldenCase): void; clear(): void } {
  if (!process.stderr.isTTY) return { step: () => undefined, clear: () => undefined }
  let done = 0
  const width = () => (process.stderr.columns ?? 80) - 1
  return {
    step(golden) {
      done++
      process.stderr.write(`\r\x1b[2K${`${done}/${total} ${golden.id}`.slice(0, width())}`)
    },
    clear: () => process.stderr.write('\r\x1b[2K'),
  }
}

/** `{ backend, passed, failed, skipped, counts, failures }` */
export function writeJson(file: string, backend: string, score: Score, counts: Counts): void {
  const { passed, skipped, failures } = score
  writeFileSync(
    file,
    `${JSON.stringify({ backend, passed, failed: failures.length, skipped, counts, failures }, null, 2)}\n`,
  )
}
