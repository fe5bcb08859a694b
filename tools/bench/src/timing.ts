/** Timing of small pieces of work on a noisy machine: the best of many rounds. */

let longestMs = Infinity

/** No case of this process is timed for longer; for a quick look at whether a bench works. */
export function limitBudget(milliseconds: number): void {
  longestMs = milliseconds
}

/** Milliseconds of one call: the fastest round within `budgetMs`, after a warm-up. */
export async function bestMilliseconds(work: () => unknown, budgetMs = 1500, minimumRounds = 3): Promise<number> {
  const budget = Math.min(budgetMs, longestMs)
  const warmEnd = performance.now() + budget / 4
  do await work()
  while (performance.now() < warmEnd)
  let best = Infinity
  const end = performance.now() + budget
  for (let round = 0; round < minimumRounds || performance.now() < end; round++) {
    const start = performance.now()
    await work()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

/** Rounds that time themselves, until they have taken `budgetMs`; at least so many. */
export function roundsWithin(budgetMs: number, minimumRounds: number, round: () => number): void {
  const budget = Math.min(budgetMs, longestMs)
  let taken = 0
  for (let k = 0; k < minimumRounds || taken < budget; k++) taken += round()
}

/** Milliseconds per call where one call is too short to time: rounds of `calls`. */
export async function bestMillisecondsOf(calls: number, work: () => unknown, budgetMs = 1500): Promise<number> {
  const round = async (): Promise<void> => {
    for (let k = 0; k < calls; k++) await work()
  }
  return (await bestMilliseconds(round, budgetMs)) / calls
}

/** Numbers in [-scale, scale) that are the same in every engine. */
export function randomNumbers(count: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count)
  let state = seed >>> 0
  for (let k = 0; k < count; k++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    values[k] = (state / 2 ** 31 - 1) * scale
  }
  return values
}

export function randomIds(count: number, seed: number, limit: number): Int32Array<ArrayBuffer> {
  return Int32Array.from(randomNumbers(count, seed), (value) =>
    Math.min(limit - 1, Math.floor(((value + 1) / 2) * limit)),
  )
}
