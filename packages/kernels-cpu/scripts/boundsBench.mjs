/**
 * Shows that work follows extents known at run time: rows in use, rows of each expert, trips of a loop.
 *
 *   npx tsx --conditions=@tarazed/source scripts/boundsBench.mjs [threads]
 *
 * Best of nine runs, in milliseconds. Results are summed on the device, so that reading them costs the same everywhere.
 */
import {
  add,
  boundedMatmul,
  compile,
  evaluate,
  grad,
  groupedMatmul,
  matmul,
  scan,
  setDefaultBackend,
  square,
  sum,
  tanh,
  tensor,
  zeros,
} from '@tarazed/tensor'
import { openCpu } from '@tarazed/kernels-cpu'

const backend = await openCpu({ threads: Number(process.argv[2] ?? 1) })
setDefaultBackend(backend)

const count = (n) => tensor(n, { dtype: 'i32' })

function noise(...shape) {
  const size = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float32Array.from({ length: size }, () => Math.random() - 0.5),
    { shape },
  )
}

async function show(name, fn, args) {
  let best = Infinity
  for (let run = 0; run < 11; run++) {
    const start = performance.now()
    const result = await fn(...args)
    await result.data()
    if (run > 1) best = Math.min(best, performance.now() - start)
  }
  console.log(`${name.padEnd(48)} ${best.toFixed(3)}`)
}

const [N, K, M, E] = [512, 512, 1024, 8]
const [x, w, experts, start] = [noise(N, K), noise(K, M), noise(E, K, M), zeros([4096])]
await evaluate(x, w, experts, start)

const whole = compile((a, b) => sum(matmul(a, b)))
await show(`matmul [${N}, ${K}] × [${K}, ${M}]`, whole, [x, w])
const used = compile((a, b, n) => sum(boundedMatmul(a, b, n)))
const usedSlope = compile((a, b, n) => sum(grad((v) => sum(square(boundedMatmul(a, v, n))))(b)))
for (const n of [0, 8, 64, 256, N]) {
  await show(`${n} of ${N} rows in use`, used, [x, w, count(n)])
  await show(`${n} of ${N} rows in use, with gradient`, usedSlope, [x, w, count(n)])
}

const grouped = compile((a, b, at) => sum(groupedMatmul(a, b, at)))
const spread = (rows) => tensor(Int32Array.from({ length: E + 1 }, (_, e) => Math.floor((rows * e) / E)))
for (const rows of [0, E, 64, N]) await show(`${rows} rows over ${E} experts`, grouped, [x, experts, spread(rows)])
const one = Int32Array.from({ length: E + 1 }, (_, e) => (e < 4 ? 0 : N))
await show(`${N} rows, all to one of ${E} experts`, grouped, [x, experts, tensor(one)])

const loop = compile((c, n) => sum(scan((h) => [tanh(add(h, 1)), null], c, null, { length: 1000, trips: n })[0]))
for (const n of [0, 10, 100, 1000]) await show(`${n} of 1000 trips`, loop, [start, count(n)])

await backend.close()
