/**
 * How long one row of 100,008 logits takes: `npx tsx --conditions=@tarazed/source packages/lm/scripts/samplingSpeed.ts`.
 * Best and median of 400 rows after warming up; the loop that only looks for the maximum is the floor of the machine.
 */
import { type SamplingRules, drawToken, tokenDistribution, uniformDraw } from '../src/index.js'

const VOCABULARY = 100_008
const ROWS = 400

const CASES: Readonly<Record<string, SamplingRules>> = {
  'aquila, topK 15, topP 0.9': { order: 'aquila', topK: 15, topP: 0.9 },
  'hf, topK 15, topP 0.9, temperature 0.9': { order: 'hf', topK: 15, topP: 0.9, temperature: 0.9 },
  'hf, topK 1000': { order: 'hf', topK: 1000 },
  'topP 0.9': { topP: 0.9 },
  'no filter': {},
  'typicalP 0.9': { typicalP: 0.9 },
}

function randomRow(seed: number): Float32Array {
  const uniform = (n: number): number => uniformDraw(seed, n)
  return Float32Array.from(
    { length: VOCABULARY },
    (_, id) => 3 * Math.sqrt(-2 * Math.log(1 - uniform(2 * id))) * Math.cos(2 * Math.PI * uniform(2 * id + 1)),
  )
}

function largest(row: Float32Array): number {
  let best = -Infinity
  for (let id = 0; id < row.length; id++) if (row[id] > best) best = row[id]
  return best
}

function measure(name: string, action: (row: Float32Array, n: number) => unknown): void {
  const times = Array.from({ length: ROWS }, (_, n) => {
    const row = rows[n % rows.length]
    const begin = performance.now()
    action(row, n)
    return performance.now() - begin
  })
  times.splice(0, ROWS / 4) // warming up
  times.sort((a, b) => a - b)
  const [best, median] = [times[0], times[Math.floor(times.length / 2)]]
  console.log(`${name.padEnd(40)} ${best.toFixed(2)} ms best, ${median.toFixed(2)} ms median`)
}

const rows = [1, 2, 3, 4].map(randomRow)
measure('maximum only', largest)
for (const [name, rules] of Object.entries(CASES))
  measure(name, (row, n) => drawToken(tokenDistribution(row, rules), uniformDraw(0, n)))
