/** Extents that are known at run time: groups of rows, rows in use, trips of a loop. Whatever lies past them is NaN here. */
import type { Tensor } from '../../graph/tensor.js'
import { silu } from '../../ops/activations.js'
import { ones, tensor, zeros } from '../../ops/create.js'
import { add, cast, div, mul, sin, square, tanh } from '../../ops/elementwise.js'
import { boundedMatmul, groupedMatmul } from '../../ops/groupedMatmul.js'
import { indexSelect, oneHot } from '../../ops/indexing.js'
import { matmul, type QuantWeight } from '../../ops/matmul.js'
import { concat, reshape, slice, swapAxes } from '../../ops/movement.js'
import { softmax } from '../../ops/normalize.js'
import { quantWeight } from '../../ops/quantWeight.js'
import { cumsum, sum } from '../../ops/reduce.js'
import { argsort, topk } from '../../ops/sort.js'
import { QUANT_FORMATS } from '../../program/quant.js'
import { quantize } from '../../quant.js'
import { evaluateWith } from '../../runtime/evaluate.js'
import { bytes, data } from '../../runtime/read.js'
import { grad } from '../../transforms/grad.js'
import { jvp } from '../../transforms/jvp.js'
import { scan } from '../../transforms/scan.js'
import { vmap } from '../../transforms/vmap.js'
import { seededRandom } from '../random.js'
import { compare } from '../tolerances.js'
import { noise, type SuiteContext } from './context.js'

const PRODUCTS = { rtol: 2e-5, atol: 1e-4 }
const NARROW_PRODUCTS = { rtol: 2e-2, atol: 2e-2 }
const LOOPS = { rtol: 1e-4, atol: 2e-5 }

export function runtimeExtents(suite: SuiteContext): void {
  groups(suite)
  rowsInUse(suite)
  trips(suite)
}

function randomFloats(count: number): Float32Array {
  const random = seededRandom(count)
  return Float32Array.from({ length: count }, () => random() * 2 - 1)
}

function integers(values: readonly number[]): Tensor {
  return tensor([...values], { dtype: 'i32', shape: [values.length] })
}

/** Noise whose rows outside of [from, to) are NaN. */
function poisoned(shape: readonly number[], from: number, to: number, seed = 1): Tensor {
  const [N, ...rest] = shape
  const row = (n: number): Tensor =>
    n >= from && n < to ? noise([1, ...rest], 'f32', -1, 1, seed + 7 * n) : mul(ones([1, ...rest]), NaN)
  return concat(Array.from({ length: N }, (_, n) => row(n)))
}

interface Groups {
  readonly name: string
  readonly offsets: readonly number[]
  readonly size: readonly [N: number, K: number, M: number]
}

const GROUPS: readonly Groups[] = [
  { name: 'all rows in groups', offsets: [0, 3, 4, 9, 11], size: [11, 7, 10] },
  { name: 'rows in front, behind and empty groups', offsets: [2, 2, 5, 5, 9], size: [12, 5, 9] },
  { name: 'one group with all rows', offsets: [0, 0, 70, 70], size: [70, 33, 17] },
  { name: 'no rows at all', offsets: [0, 0, 0], size: [6, 4, 8] },
  { name: 'one row a group', offsets: [0, 1, 2, 3], size: [3, 300, 21] },
  { name: 'long groups', offsets: [1, 130, 401], size: [403, 20, 70] },
  { name: 'deep groups', offsets: [0, 5, 104], size: [104, 513, 12] },
  { name: 'offsets that fall, lie below 0 and past the end', offsets: [-4, 3, 1, 6, 99], size: [8, 6, 5] },
  { name: 'no terms', offsets: [0, 2], size: [2, 0, 3] },
]

function groups(suite: SuiteContext): void {
  for (const { name, offsets, size } of GROUPS) {
    const [N, K, M] = size
    const E = offsets.length - 1
    const limits = [Math.max(0, offsets[0]), Math.min(N, Math.max(0, ...offsets))]
    suite.test(
      `rows by group and their gradients: ${name}`,
      () => {
        const at = integers(offsets)
        const x = poisoned([N, K], limits[0], limits[1])
        const w = noise([E, K, M], 'f32', -1, 1, 2)
        const ct = poisoned([N, M], limits[0], limits[1], 3)
        const turned = swapAxes(noise([E, M, K], 'f32', -1, 1, 2), 1, 2)
        const loss = (a: Tensor, b: Tensor): Tensor => {
          const product = groupedMatmul(a, b, at)
          return add(sum(mul(product, noise([N, M]))), sum(square(product)))
        }
        const wide = (v: Tensor): Tensor => sum(mul(groupedMatmul(ct, swapAxes(v, 1, 2), at), noise([N, K])))
        return [
          groupedMatmul(x, w, at),
          groupedMatmul(x, turned, at),
          ...(grad(loss, { argnums: [0, 1] })(x, w) as unknown as Tensor[]),
          grad(wide)(w),
          jvp((v: Tensor) => loss(x, v), [w], [ones([E, K, M])])[1],
        ]
      },
      { tolerance: PRODUCTS },
    )
  }

  suite.test(
    'rows by group in narrow floats',
    () =>
      (['f16', 'bf16'] as const).flatMap((dtype) => {
        const x = cast(noise([40, 30], 'f32', -1, 1), dtype)
        const w = cast(noise([3, 30, 11], 'f32', -1, 1, 2), dtype)
        const at = integers([1, 2, 30, 38])
        const loss = (a: Tensor, b: Tensor): Tensor => sum(cast(groupedMatmul(a, b, at), 'f32'))
        return [groupedMatmul(x, w, at), ...(grad(loss, { argnums: [0, 1] })(x, w) as unknown as Tensor[])]
      }),
    { tolerance: NARROW_PRODUCTS },
  )

  suite.test(
    'rows by group under maps and in second derivatives',
    () => {
      const x = noise([2, 6, 3], 'f32', -1, 1)
      const w = noise([2, 3, 4], 'f32', -1, 1, 2)
      const at = tensor([0, 2, 5, 1, 1, 6], { shape: [2, 3], dtype: 'i32' })
      const one = (a: Tensor, b: Tensor, limits: Tensor): Tensor => sum(tanh(groupedMatmul(a, b, limits)))
      const slope = grad(one, { argnums: 1 })
      return [
        vmap(one, { inAxes: [0, null, 0] })(x, w, at),
        vmap(slope, { inAxes: [0, null, 0] })(x, w, at),
        grad((b: Tensor) => sum(square(slope(noise([6, 3]), b, integers([0, 2, 5])))))(w),
      ]
    },
    { tolerance: PRODUCTS },
  )

  for (const format of QUANT_FORMATS)
    suite.test(
      `rows by group with quantised weights: ${format}`,
      () => {
        const [E, M, K] = [4, 19, 64]
        const own = quantWeight(quantize(randomFloats(E * M * K), [E * M, K], format, 32))
        const stacked = (part: Tensor): Tensor => reshape(part, [E, M, -1])
        const weight: QuantWeight = {
          ...own,
          packed: stacked(own.packed),
          scale: stacked(own.scale),
          ...(own.zero === undefined ? {} : { zero: stacked(own.zero) }),
        }
        const x = poisoned([30, K], 1, 26)
        const at = integers([1, 3, 3, 10, 26])
        const f = (a: Tensor): Tensor => groupedMatmul(a, weight, at)
        const part: QuantWeight = quantWeight(quantize(randomFloats(M * K), [M, K], format, 32))
        return [
          f(x),
          grad((a: Tensor) => sum(mul(f(a), noise([30, M]))))(x),
          boundedMatmul(poisoned([5, 2, K], 0, 3), part, tensor(3, { dtype: 'i32' })),
        ]
      },
      { tolerance: PRODUCTS },
    )

  suite.test('experts on sorted rows', () => mixture().flat(), { tolerance: PRODUCTS })

  suite.options.it('experts on sorted rows give what every expert on all rows gives', async () => {
    const [sorted, dense] = mixture()
    await evaluateWith({ backend: suite.backend }, [...sorted, ...dense])
    for (const [k, result] of sorted.entries()) {
      const comparison = compare(await data(result), await data(dense[k]), PRODUCTS)
      if (!comparison.passed) throw new Error(`result ${k}: ${comparison.message}`)
    }
  })

  suite.options.it('the rows of a group have the bits of a product of their own', async () => {
    if (!suite.bitwise) return
    for (const rows of [1, 2, 3, 31, 97, 260]) {
      const [x, w] = [noise([rows, 300]), noise([1, 300, 41])]
      const all = concat([noise([3, 300]), x, noise([2, 300])])
      const grouped = groupedMatmul(all, concat([w, w, w]), integers([0, 3, 3 + rows, 5 + rows]))
      const own = slice(grouped, [[3, 3 + rows]])
      const alone = matmul(x, reshape(w, [300, 41]))
      await evaluateWith({ backend: suite.backend }, [own, alone])
      if (Buffer.compare(await bytes(own), await bytes(alone)) !== 0)
        throw new Error(`groups of ${rows} rows have other bits than matmul`)
    }
  })
}

/** The mixture of experts of a block: sorted by expert, multiplied in groups, gathered; beside it all experts on all rows. */
function mixture(): Tensor[][] {
  const [T, D, F, E, k] = [13, 6, 9, 4, 2]
  const x = noise([T, D], 'f32', -1, 1)
  const router = noise([D, E], 'f32', -1, 1, 2)
  const up = noise([E, D, F], 'f32', -1, 1, 3)
  const down = noise([E, F, D], 'f32', -1, 1, 4)
  const choose = (h: Tensor, gate: Tensor): [Tensor, Tensor] => {
    const [weights, experts] = topk(softmax(matmul(h, gate)), k)
    return [div(weights, sum(weights, { axes: -1, keepdims: true })), experts]
  }
  const sorted = (h: Tensor, gate: Tensor, u: Tensor, d: Tensor): Tensor => {
    const [weights, experts] = choose(h, gate)
    const slots = reshape(experts, [T * k])
    const order = argsort(slots)
    const counts = sum(oneHot(slots, E, { dtype: 'i32' }), { axes: 0 })
    const offsets = concat([zeros([1], { dtype: 'i32' }), cumsum(counts)])
    const rows = indexSelect(h, div(order, k))
    const out = groupedMatmul(silu(groupedMatmul(rows, u, offsets)), d, offsets)
    const back = reshape(indexSelect(out, argsort(order)), [T, k, D])
    return sum(mul(back, reshape(weights, [T, k, 1])), { axes: 1 })
  }
  const dense = (h: Tensor, gate: Tensor, u: Tensor, d: Tensor): Tensor => {
    const [weights, experts] = choose(h, gate)
    const all = matmul(silu(matmul(h, u)), d) // [E, T, D]
    const share = sum(mul(oneHot(experts, E), reshape(weights, [T, k, 1])), { axes: 1 }) // [T, E]
    return sum(mul(all, reshape(swapAxes(share, 0, 1), [E, T, 1])), { axes: 0 })
  }
  const gradients = (f: typeof sorted): Tensor[] =>
    grad((...args: Parameters<typeof sorted>) => sum(sin(f(...args))), { argnums: [0, 1, 2, 3] })(
      x,
      router,
      up,
      down,
    ) as unknown as Tensor[]
  return [sorted, dense].map((f) => [f(x, router, up, down), ...gradients(f)])
}

function rowsInUse(suite: SuiteContext): void {
  for (const count of [-1, 0, 1, 2, 5, 6, 9])
    suite.test(
      `the first ${count} of 6 sequences`,
      () => {
        const used = Math.min(6, Math.max(0, count))
        const x = poisoned([6, 3, 10], 0, used)
        const w = noise([10, 9], 'f32', -1, 1, 2)
        const n = tensor(count, { dtype: 'i32' })
        const loss = (a: Tensor, b: Tensor): Tensor => sum(square(boundedMatmul(a, b, n)))
        return [
          boundedMatmul(x, w, n),
          boundedMatmul(reshape(x, [18, 10]), w, 2),
          ...(grad(loss, { argnums: [0, 1] })(x, w) as unknown as Tensor[]),
        ].filter((_, k) => k !== 1 || used > 0)
      },
      { tolerance: PRODUCTS },
    )
}

function trips(suite: SuiteContext): void {
  for (const count of [-2, 0, 1, 2, 5, 6, 8])
    suite.test(
      `loops of ${count} trips out of 6, both ways, with gradients`,
      () => {
        const xs = poisoned([6, 3], 0, Math.min(6, Math.max(0, count)))
        const w = noise([3], 'f32', 0.5, 1)
        const n = tensor(count, { dtype: 'i32' })
        const step = (c: Tensor, x: Tensor): readonly [Tensor, Tensor] => [tanh(add(mul(c, w), x)), mul(c, x)]
        const loss = (v: Tensor, x: Tensor, start: Tensor): Tensor => {
          const [last, ys] = scan(
            (c: Tensor, row: Tensor) => [tanh(add(mul(c, v), row)), mul(c, row)] as const,
            start,
            x,
            { trips: n },
          )
          return add(sum(square(last)), sum(sin(ys)))
        }
        return [
          ...scan(step, ones([3]), xs, { trips: n }),
          ...scan(step, ones([3]), xs, { trips: n, reverse: true }),
          ...(grad(loss, { argnums: [0, 1, 2] })(w, xs, ones([3])) as unknown as Tensor[]),
          jvp((v: Tensor) => loss(v, xs, ones([3])), [w], [ones([3])])[1],
          grad((v: Tensor) => sum(square(grad(loss)(v, xs, ones([3])))))(w),
        ]
      },
      { tolerance: LOOPS },
    )

  suite.test('loops in loops whose trips are those of the outer one', () => {
    const inner = (c: Tensor, i: Tensor): readonly [Tensor, Tensor] =>
      scan((d: Tensor, x: Tensor) => [add(mul(d, 0.5), x), d] as const, c, noise([4, 2]), { trips: i })
    return [...scan(inner, ones([2]), integers([0, 3, 1, 9, 2]), { trips: 4 })]
  })

  suite.test(
    'maps over loops with trips of their own',
    () => {
      const run = (n: Tensor, x: Tensor, reverse: boolean): [Tensor, Tensor] =>
        scan((c: Tensor, row: Tensor) => [tanh(add(c, row)), mul(c, row)] as const, ones([2]), x, { trips: n, reverse })
      const counts = integers([2, 0, 4, 1])
      const xs = noise([4, 2])
      const slope = (n: Tensor, x: Tensor): Tensor => grad((v: Tensor) => sum(run(n, v, false)[0]))(x)
      return [
        ...[false, true].flatMap((reverse) =>
          vmap((n: Tensor, x: Tensor) => run(n, x, reverse), { inAxes: [0, null] })(counts, xs),
        ),
        vmap(slope, { inAxes: [0, null] })(counts, xs),
      ]
    },
    { tolerance: LOOPS },
  )
}
