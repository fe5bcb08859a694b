/**
 * Measures BPE training on synthetic text, half English, half Chinese:
 * `npx tsx --conditions=@tarazed/source packages/tokenizer/scripts/measureTraining.ts [MEGABYTES] [VOCABULARY]`
 */
import { trainBpe } from '../src/index.js'
import { syntheticText } from './syntheticText.js'

const [megabytes = 25, vocabSize = 32_000] = process.argv.slice(2).map(Number)
const texts = [...syntheticText({ bytes: megabytes * 1e6 })]
const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`
const before = process.memoryUsage().rss
let peak = before
let countedMs = 0
const cpuBefore = process.cpuUsage()
const start = performance.now()
const trained = await trainBpe(texts, {
  vocabSize,
  onProgress: ({ phase }) => {
    if (phase === 'count') countedMs = performance.now() - start
    peak = Math.max(peak, process.memoryUsage().rss)
  },
})
const ms = performance.now() - start
const cpu = process.cpuUsage(cpuBefore)
console.log(`${megabytes} MB of text, ${trained.pieces} pieces, ${trained.distinctPieces} different ones`)
console.log(
  `vocabulary ${trained.vocabSize}: ${(ms / 1000).toFixed(1)} s, ${(countedMs / 1000).toFixed(1)} s of them counting; ` +
    `${((cpu.user + cpu.system) / 1e6).toFixed(1)} s of processor time`,
)
console.log(`resident memory: ${mebibytes(before)} with the text before, at most ${mebibytes(peak)} (one thread)`)
