/**
 * Measures reading, writing and conversion on one thread:
 *   npx tsx --conditions=@tarazed/source packages/checkpoint/scripts/speed.ts
 * Best of many short runs, so that other work on the machine disturbs little; disk figures are those of the page cache.
 */
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  dequantiseAwq,
  dequantiseGptq,
  fromFloat32,
  ggufBlockTypes,
  openSafetensors,
  packNf4,
  toFloat32,
  unpackNf4,
  writableBlockTypes,
  layoutOf,
} from '../src/index.js'
import { fileSource, writeSafetensors } from '../src/node.js'

const ELEMENTS = 2 ** 16
const values = Float32Array.from({ length: ELEMENTS }, (_, i) => Math.sin(i * i) * 0.05)

/** Milliseconds of the best run. */
function best(run: () => unknown, runs = 300): number {
  let least = Infinity
  for (let k = 0; k < runs; k++) {
    const start = performance.now()
    run()
    least = Math.min(least, performance.now() - start)
  }
  return least
}

/** MB of float32 numbers per second. */
function report(what: string, ms: number, elements = ELEMENTS): void {
  console.log(`${what.padEnd(24)} ${((elements * 4) / 1e3 / ms).toFixed(0).padStart(7)} MB/s`)
}

const target = new Float32Array(ELEMENTS)
report(
  'copy',
  best(() => target.set(values)),
)
for (const dtype of ['F16', 'BF16', ...writableBlockTypes] as const) {
  report(
    `fromFloat32 ${dtype}`,
    best(() => fromFloat32(values, dtype)),
  )
}
for (const dtype of ['F16', 'BF16', ...ggufBlockTypes] as const) {
  const { blockElements, blockBytes } = layoutOf(dtype)
  const bytes = Uint8Array.from({ length: (ELEMENTS / blockElements) * blockBytes }, (_, i) => (i * 37) & 0x3b)
  report(
    `toFloat32 ${dtype}`,
    best(() => toFloat32(bytes, dtype)),
  )
}

const shape = { inFeatures: 1024, outFeatures: 256 }
const weights = shape.inFeatures * shape.outFeatures
const packed = {
  ...shape,
  qweight: new Int32Array(weights / 8).fill(0x12345678),
  qzeros: new Int32Array((8 * shape.outFeatures) / 8).fill(0x77777777),
  scales: new Float32Array(8 * shape.outFeatures).fill(0.01),
  groupSize: 128,
}
report(
  'dequantiseGptq',
  best(() => dequantiseGptq(packed)),
  weights,
)
report(
  'dequantiseAwq',
  best(() => dequantiseAwq(packed)),
  weights,
)
const codes = packNf4(values)
report(
  'packNf4',
  best(() => packNf4(values)),
)
report(
  'unpackNf4',
  best(() => unpackNf4(codes, ELEMENTS)),
)

const path = join(tmpdir(), `tarazed-speed-${process.pid}.safetensors`)
const bytes = new Uint8Array(2 ** 26)
const tensors = Array.from({ length: 8 }, (_, k) => ({
  name: `w${k}`,
  dtype: 'U8' as const,
  shape: [bytes.length],
  bytes: () => bytes,
}))
const writing = performance.now()
await writeSafetensors(path, tensors)
report('write and flush 512 MiB', performance.now() - writing, 2 * bytes.length)
const checkpoint = await openSafetensors(await fileSource(path))
let least = Infinity
for (const { name } of tensors) {
  const start = performance.now()
  await checkpoint.read(name)
  least = Math.min(least, performance.now() - start)
}
report('read a tensor of 64 MiB', least, bytes.length / 4)
await checkpoint.close()
rmSync(path)
