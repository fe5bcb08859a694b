/** Whole programs: random numbers, loops, transforms, training steps, random graphs. */
import type { Tensor } from '../../graph/tensor.js'
import { add, cast, mul, sin, square, sub, tanh } from '../../ops/elementwise.js'
import { ones, tensor, zeros } from '../../ops/create.js'
import { layerNorm } from '../../ops/normalize.js'
import { matmul } from '../../ops/matmul.js'
import { stack } from '../../ops/movement.js'
import { mean, sum } from '../../ops/reduce.js'
import { bits, key, split } from '../../random/bits.js'
import { bernoulli, normal, permutation, randint, uniform } from '../../random/distributions.js'
import { evaluateWith } from '../../runtime/evaluate.js'
import { bytes } from '../../runtime/read.js'
import { checkpoint } from '../../transforms/checkpoint.js'
import { grad, valueAndGrad } from '../../transforms/grad.js'
import { jvp } from '../../transforms/jvp.js'
import { scan } from '../../transforms/scan.js'
import { vmap } from '../../transforms/vmap.js'
import { noise, type SuiteContext } from './context.js'
import { randomGraphs } from './graphs.js'

const LONG_PROGRAM = { rtol: 1e-4, atol: 2e-5 }

export function programs(suite: SuiteContext): void {
  suite.test('random bits and what is exact from them', () => {
    const keys = split(key(7), 2)
    const k = key(42)
    return [
      keys,
      bits(k, [3, 5]),
      bits(k, [7], { dtype: 'u8' }),
      uniform(k, [33]),
      bernoulli(k, 0.3, [50]),
      randint(k, [20], { min: -5, max: 9 }),
      permutation(k, 37),
    ]
  })

  suite.test('normal numbers', () => [normal(key(3), [257]), normal(key(3), [9], { dtype: 'bf16' })], {
    tolerance: { rtol: 2e-5, atol: 1e-5 },
  })

  suite.test('loops, both ways, with stacks, nested, and without trips', () => {
    const xs = noise([6, 3])
    const w = noise([3], 'f32', 0.5, 1)
    const step = (c: Tensor, x: Tensor): readonly [Tensor, Tensor] => [tanh(add(mul(c, w), x)), mul(c, x)]
    const inner = (c: Tensor, x: Tensor): readonly [Tensor, null] => [scan(step, c, stack([x, x]))[0], null]
    return [
      ...scan(step, zeros([3]), xs),
      ...scan(step, ones([3]), xs, { reverse: true }),
      scan(inner, zeros([3]), xs)[0],
      ...scan(step, ones([3]), zeros([0, 3])),
    ]
  })

  suite.test('loops that carry several values of several dtypes', () => {
    const start = { n: tensor(0, { dtype: 'i32' }), sum: zeros([2]), even: tensor(true) }
    const [last] = scan(
      (c: typeof start, x: Tensor) =>
        [{ n: add(c.n, 2), sum: add(c.sum, mul(x, cast(c.n, 'f32'))), even: c.even }, null] as const,
      start,
      noise([5, 2]),
    )
    return [last.n, last.sum, last.even]
  })

  suite.test(
    'gradients, second derivatives, maps and loops of them',
    () => {
      const f = (w: Tensor, x: Tensor): Tensor => {
        const [last, ys] = scan((c: Tensor, row: Tensor) => [tanh(add(mul(c, w), row)), sin(c)] as const, zeros([3]), x)
        return add(sum(square(last)), mean(ys))
      }
      const [w, x] = [noise([3]), noise([4, 3])]
      const second = grad((v: Tensor) => sum(square(grad(f)(v, x))))(w)
      return [
        grad(f)(w, x),
        second,
        vmap(grad(f), { inAxes: [null, 0] })(w, noise([2, 4, 3])),
        jvp((v: Tensor) => f(v, x), [w], [ones([3])])[1],
      ]
    },
    { tolerance: LONG_PROGRAM },
  )

  suite.options.it('checkpointed blocks give the bits of plain ones', async () => {
    if (!suite.bitwise) return
    const [plain, again] = [network((f) => f), network(checkpoint)]
    await evaluateWith({ backend: suite.backend }, [plain, again])
    for (const [k, tensors] of plain.entries())
      if (Buffer.compare(await bytes(tensors), await bytes(again[k])) !== 0)
        throw new Error(`result ${k} of the checkpointed network differs`)
  })

  suite.test('a training step', () => network((f) => f), { tolerance: LONG_PROGRAM })

  randomGraphs(suite)
}

type Wrap = (f: (h: Tensor, w: Tensor) => Tensor) => (h: Tensor, w: Tensor) => Tensor

/** Value, gradients and updated weights of three blocks. */
function network(wrap: Wrap): Tensor[] {
  const weights = [1, 2, 3].map((seed) => noise([8, 8], 'f32', -0.5, 0.5, seed))
  const loss = (params: Tensor[]): Tensor => {
    let h = noise([5, 8])
    for (const w of params) h = wrap((a, b) => add(a, tanh(matmul(layerNorm(a, null, null), b))))(h, w)
    return mean(square(h))
  }
  const [value, gradients] = valueAndGrad(loss)(weights)
  return [value, ...gradients, ...weights.map((w, k) => sub(w, mul(gradients[k], 0.1)))]
}
