/**
 * Speed of the routines on one thread, as a share of an FMA register loop and of a copy loop of the same width.
 *
 *   npx tsx --conditions=@tarazed/source scripts/routineBench.mjs [filter] [--plain]
 */
import { setFlagsFromString } from 'node:v8'
import { routineBytes } from '../src/generated/routines.ts'
import { planAttention, planAttentionGrad } from '../src/routines/attention.ts'
import { planConv } from '../src/routines/conv.ts'
import { planCopy } from '../src/routines/copy.ts'
import { planCumulative } from '../src/routines/cumulative.ts'
import { planMatmul } from '../src/routines/matmul.ts'
import { planQuantMatmul } from '../src/routines/quantMatmul.ts'
import { planScatterAdd } from '../src/routines/scatterAdd.ts'
import { planSort } from '../src/routines/sort.ts'
import { bytesOf, denseStrides, product } from '../src/routines/views.ts'

if (process.versions.node.startsWith('20.')) setFlagsFromString('--experimental-wasm-relaxed-simd')
const relaxed = !process.argv.includes('--plain')
const filter = process.argv.slice(2).find((argument) => !argument.startsWith('--')) ?? ''

const memory = new WebAssembly.Memory({ initial: 16384, maximum: 65536, shared: true })
const routines = new WebAssembly.Instance(new WebAssembly.Module(routineBytes(relaxed)), { env: { memory } }).exports
let next = 65536

function reserve(bytes) {
  const address = Math.ceil(next / 4096) * 4096 + 64 * (reserve.calls++ % 16)
  next = address + bytes
  if (next > memory.buffer.byteLength) throw new Error('routineBench: out of memory')
  return address
}
reserve.calls = 0

function view(dtype, shape, strides = denseStrides(shape)) {
  return { slot: 0, dtype, shape, strides, offset: 0 }
}

function fill(address, { dtype, shape }, special) {
  const count = product(shape)
  if (special) return special(address, count)
  if (dtype === 'f32')
    new Float32Array(memory.buffer, address, count).forEach((_, at, array) => (array[at] = Math.random() - 0.5))
  else if (dtype === 'bf16') new Uint16Array(memory.buffer, address, count).fill(0x3f00)
  else if (dtype === 'u8' || dtype === 'i8')
    new Uint8Array(memory.buffer, address, count).forEach((_, at, array) => (array[at] = Math.random() * 256))
}

/** Best time in milliseconds of a prepared step, all stages on this thread. */
function measure(planner, attrs, operands, results, special = []) {
  next = 65536
  const step = { kind: 'routine', name: '', attrs, operands, results }
  const plan = planner(step)
  const addresses = [...operands, ...results].map((one) => reserve(product(one.shape) * bytesOf(one.dtype)))
  operands.forEach((operand, at) => fill(addresses[at], operand, special[at]))
  const shared = reserve(plan.sharedBytes)
  const scratch = reserve(plan.threadBytes)
  const descriptor = reserve(4 * (addresses.length + 1 + plan.words.length))
  new Int32Array(memory.buffer, descriptor).set([...addresses, shared, ...plan.words])
  const once = () => {
    for (const { fn, items } of plan.stages) routines[fn](descriptor, scratch, 0, items)
  }
  return best(once)
}

/** Time of this process in milliseconds: what other processes take is not counted. */
function processorMs() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function best(once, budgetMs = 600) {
  once()
  let least = Infinity
  const until = performance.now() + budgetMs
  do {
    let calls = 0
    const started = performance.now()
    const startedProcessor = processorMs()
    do {
      once()
      calls++
    } while (performance.now() - started < 2)
    const wall = performance.now() - started
    const processor = processorMs() - startedProcessor
    least = Math.min(least, (wall > 20 ? Math.min(wall, processor) : wall) / calls)
  } while (performance.now() < until)
  return least
}

function ceilings() {
  next = 65536
  const megabytes = 256
  const from = reserve(megabytes << 20)
  const to = reserve(megabytes << 20)
  const descriptor = reserve(64)
  new Float32Array(memory.buffer, from, 8).fill(1e-3)
  new Int32Array(memory.buffer, descriptor, 2).set([from, to])
  const fmaMs = best(() => routines.ceilingMultiplyAdd(descriptor, 0, 0, 100), 1000)
  const copyMs = best(() => routines.ceilingCopy(descriptor, 0, 0, megabytes << 4), 1000)
  return { gflops: (100 * 1024 * 12 * 8) / fmaMs / 1e6, copy: (2 * (megabytes << 20)) / copyMs / 1e6 }
}

const { gflops: peak, copy } = ceilings()
console.log(
  `${relaxed ? 'relaxed' : 'plain'} SIMD, one thread: register loop ${peak.toFixed(1)} GFLOP/s, copy ${copy.toFixed(1)} GB/s (read + written)`,
)

function compute(label, multiplyAdds, planner, attrs, operands, results, special) {
  if (!label.includes(filter)) return
  const ms = measure(planner, attrs, operands, results, special)
  const rate = (2 * multiplyAdds) / ms / 1e6
  console.log(
    `${label.padEnd(46)} ${ms.toFixed(3).padStart(9)} ms ${rate.toFixed(1).padStart(7)} GFLOP/s ${((100 * rate) / peak).toFixed(0).padStart(4)} %`,
  )
}

function move(label, bytes, planner, attrs, operands, results, special) {
  if (!label.includes(filter)) return
  const ms = measure(planner, attrs, operands, results, special)
  const rate = bytes / ms / 1e6
  console.log(
    `${label.padEnd(46)} ${ms.toFixed(3).padStart(9)} ms ${rate.toFixed(1).padStart(7)} GB/s    ${((100 * rate) / copy).toFixed(0).padStart(4)} %`,
  )
}

function matmul(label, batch, M, N, K, { dtype = 'f32', aT = false, bT = false } = {}) {
  const z = batch.map((_, at) => product(batch.slice(at + 1)))
  const a = view(dtype, [...batch, M, K], [...z.map((s) => s * M * K), ...(aT ? [1, M] : [K, 1])])
  const b = view(dtype, [...batch, K, N], [...z.map((s) => s * K * N), ...(bT ? [1, K] : [N, 1])])
  const name = `matmul ${label} ${[...batch, ''].join('×')}[${M},${K}]${aT ? 'ᵀ' : ''}[${K},${N}]${bT ? 'ᵀ' : ''} ${dtype}`
  compute(name, product(batch) * M * N * K, planMatmul, {}, [a, b], [view(dtype, [...batch, M, N])])
}

matmul('square', [], 1024, 1024, 1024)
matmul('square', [], 1024, 1024, 1024, { bT: true })
matmul('square', [], 1024, 1024, 1024, { aT: true })
matmul('square', [], 512, 512, 512)
matmul('square', [], 256, 256, 256)
matmul('square', [], 128, 128, 128)
matmul('square', [], 64, 64, 64)
matmul('square', [], 1024, 1024, 1024, { dtype: 'bf16' })
matmul('mlp', [], 128, 512, 784)
matmul('mlp', [], 128, 512, 512)
matmul('mlp', [], 128, 10, 512)
matmul('mlp', [], 784, 512, 128, { aT: true })
matmul('mlp', [], 512, 10, 128, { aT: true })
matmul('mlp', [], 128, 512, 10, { bT: true })
matmul('mlp', [], 128, 512, 512, { bT: true })
matmul('gpt', [], 512, 128, 128)
matmul('gpt', [], 512, 384, 128)
matmul('gpt', [], 512, 512, 128)
matmul('gpt', [], 512, 128, 512)
matmul('gpt', [], 512, 256, 128)
matmul('gpt', [], 128, 512, 512, { aT: true })
matmul('gpt', [], 512, 128, 512, { bT: true })
matmul('heads', [32], 64, 64, 32)
matmul('heads', [32], 64, 64, 32, { bT: true })
matmul('heads', [32], 64, 32, 64)
matmul('heads', [32], 64, 32, 64, { aT: true })
matmul('logits', [], 64, 32000, 128)
matmul('thin', [], 8, 4096, 4096)
matmul('thin', [], 8, 4096, 4096, { bT: true })

function matvec(label, N, K, options) {
  const { dtype = 'f32', bT = false } = options
  const b = view(dtype, [K, N], bT ? [1, K] : [N, 1])
  move(
    `matvec ${label} [1,${K}][${K},${N}]${bT ? 'ᵀ' : ''} ${dtype}`,
    N * K * bytesOf(dtype),
    planMatmul,
    {},
    [view(dtype, [1, K]), b],
    [view(dtype, [1, N])],
  )
}
matvec('large', 4096, 4096, {})
matvec('large', 4096, 4096, { bT: true })
matvec('large', 4096, 4096, { bT: true, dtype: 'bf16' })
matvec('small', 128, 512, { bT: true })

for (const [format, group] of [
  ['int4', 128],
  ['int4sym', 128],
  ['nf4', 64],
  ['int8', 4096],
]) {
  for (const activations of ['f32', 'i16', 'i8']) {
    const [N, K] = [4096, 4096]
    const packed = view(format === 'int8' ? 'i8' : 'u8', [N, format === 'int8' ? K : K / 2])
    const groups = [view('f32', [N, K / group]), ...(format === 'int4' ? [view('u8', [N, K / group])] : [])]
    const bytes = product(packed.shape) + groups.reduce((sum, one) => sum + product(one.shape) * bytesOf(one.dtype), 0)
    const attrs = { format, group, activations }
    move(
      `quant vector ${format} g${group} ${activations}`,
      bytes,
      planQuantMatmul,
      attrs,
      [view('f32', [1, K]), packed, ...groups],
      [view('f32', [1, N])],
    )
    if (activations === 'f32') {
      compute(
        `quant panels ${format} M 128`,
        128 * N * K,
        planQuantMatmul,
        attrs,
        [view('f32', [128, K]), packed, ...groups],
        [view('f32', [128, N])],
      )
    }
  }
}

function conv(label, N, C, S, O, K, { groups = 1, stride = 1, pad = 0 } = {}) {
  const out = Math.floor((S + 2 * pad - K) / stride) + 1
  const two = (value) => [value, value]
  const attrs = {
    stride: two(stride),
    padLow: two(pad),
    padHigh: two(pad),
    lhsDilation: two(1),
    rhsDilation: two(1),
    groups,
  }
  const work = N * O * out * out * (C / groups) * K * K
  compute(
    `conv ${label} ${N}×${C}×${S}² ${O}×${K}² s${stride}`,
    work,
    planConv,
    attrs,
    [view('f32', [N, C, S, S]), view('f32', [O, C / groups, K, K])],
    [view('f32', [N, O, out, out])],
  )
}
conv('plain', 1, 64, 56, 64, 3, { pad: 1 })
conv('plain', 8, 64, 28, 128, 3, { pad: 1 })
conv('stride', 1, 64, 56, 128, 3, { pad: 1, stride: 2 })
conv('first', 1, 3, 224, 64, 7, { pad: 3, stride: 2 })
conv('point', 1, 256, 28, 256, 1)
conv('depthwise', 1, 128, 56, 128, 3, { pad: 1, groups: 128 })

function attention(label, B, H, G, T, S, D, causal = 'none') {
  const q = view('f32', [B, H, T, D])
  const k = view('f32', [B, G, S, D])
  const attrs = { causal, scale: 0.1, mask: 'none' }
  const share = causal === 'none' ? 1 : 0.5
  const out = [view('f32', [B, H, T, D]), view('f32', [B, H, T])]
  const name = `${label} B${B} H${H}/${G} T${T} S${S} D${D} ${causal}`
  compute(`attention ${name}`, share * 2 * B * H * T * S * D, planAttention, attrs, [q, k, k], out)
  const operands = [q, k, k, ...out, q]
  compute(`attentionGrad ${name}`, share * 5 * B * H * T * S * D, planAttentionGrad, attrs, operands, [q, k, k])
}
attention('gpt', 8, 4, 4, 64, 64, 32, 'topLeft')
attention('long', 1, 4, 4, 1024, 1024, 64, 'topLeft')
attention('long', 1, 8, 2, 1024, 1024, 64)
attention('decode', 1, 32, 8, 1, 2048, 128)

const indexFill = (limit) => (address, count) =>
  new Int32Array(memory.buffer, address, count).forEach((_, at, array) => (array[at] = Math.random() * limit))
move(
  'scatterAdd embedding V4096 D128 T4096',
  4096 * 128 * 16,
  planScatterAdd,
  { axis: 0 },
  [view('f32', [4096, 128]), view('i32', [4096, 128], [1, 0]), view('f32', [4096, 128])],
  [view('f32', [4096, 128])],
  [, indexFill(4096)],
)
move(
  'scatterAdd elements 1M → 64K',
  1 << 22,
  planScatterAdd,
  { axis: 0 },
  [view('f32', [65536]), view('i32', [1 << 20]), view('f32', [1 << 20])],
  [view('f32', [65536])],
  [, indexFill(65536)],
)
move(
  'copy transpose 2048²',
  2048 * 2048 * 4,
  planCopy,
  {},
  [view('f32', [2048, 2048], [1, 2048])],
  [view('f32', [2048, 2048])],
)
move('copy transpose 512²', 512 * 512 * 4, planCopy, {}, [view('f32', [512, 512], [1, 512])], [view('f32', [512, 512])])
move(
  'copy transpose 2048² bf16',
  2048 * 2048 * 2,
  planCopy,
  {},
  [view('bf16', [2048, 2048], [1, 2048])],
  [view('bf16', [2048, 2048])],
)
move(
  'copy heads [8,4,64,32]',
  8 * 4 * 64 * 32 * 4,
  planCopy,
  {},
  [view('f32', [8, 4, 64, 32], [8192, 32, 128, 1])],
  [view('f32', [8, 4, 64, 32])],
)
move(
  'cumulative sum rows 4096×1024',
  1 << 24,
  planCumulative,
  { kind: 'sum', axis: 0 },
  [view('f32', [4096, 1024])],
  [view('f32', [4096, 1024])],
)
move(
  'cumulative sum last axis 4096×1024',
  1 << 24,
  planCumulative,
  { kind: 'sum', axis: 1 },
  [view('f32', [4096, 1024])],
  [view('f32', [4096, 1024])],
)
move(
  'sort 1M',
  1 << 22,
  planSort,
  { axis: 0 },
  [view('f32', [1 << 20])],
  [view('f32', [1 << 20]), view('i32', [1 << 20])],
)
move(
  'sort 4096×256',
  1 << 22,
  planSort,
  { axis: 1 },
  [view('f32', [4096, 256])],
  [view('f32', [4096, 256]), view('i32', [4096, 256])],
)
move(
  'sort 32×32000',
  1 << 22,
  planSort,
  { axis: 1 },
  [view('f32', [32, 32000])],
  [view('f32', [32, 32000]), view('i32', [32, 32000])],
)
