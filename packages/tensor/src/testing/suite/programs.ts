/** Whole programs: random numbers, loops, transforms, training steps, random graphs. */
import { isFloat } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { add, cast, exp, mul, sin, square, sub, tanh } from '../../ops/elementwise.js'
import { ones, tensor, zeros } from '../../ops/create.js'
import { layerNorm } from '../../ops/normalize.js'
import { matmul } from '../../ops/matmul.js'
import { stack } from '../../ops/movement.js'
import { mean, sum } from '../../ops/reduce.js'
import { bits, key, split } from '../../random/bits.js'
import { bernoulli, normal, permutation, randint, uniform } from '../../random/distributions.js'
import { evaluateWith } from '../../runtime/evaluate.js'
import { bytes, data } from '../../runtime/read.js'
import { checkpoint } from '../../transforms/checkpoint.js'
import { grad, valueAndGrad } from '../../transforms/grad.js'
import { jvp } from '../../transforms/jvp.js'
import { scan } from '../../transforms/scan.js'
import { vmap } from '../../transforms/vmap.js'
import { interpret } from '../interpret.js'
import { randomGraph, type RandomGraph } from '../randomGraph.js'
import { noise, type SuiteContext } from './context.js'

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

type Derive = (graph: RandomGraph) => Tensor[]

/** A bounded scalar of all float outputs, as a function of the f32 inputs. */
function lossOf(graph: RandomGraph): (...own: Tensor[]) => Tensor {
  return (...own) => {
    const all = [...graph.inputs]
    graph.floatInputs.forEach((at, k) => (all[at] = own[k]))
    const terms = graph
      .f(...all)
      .filter((t) => isFloat(t.dtype))
      .map((t) => sum(tanh(mul(cast(t, 'f32'), 0.1))))
    return terms.reduce((a, b) => add(a, b), sum(mul(own[0], 0.1)))
  }
}

const DERIVED: Record<string, Derive> = {
  values: (graph) => graph.f(...graph.inputs),
  gradients: (graph) => {
    const argnums = graph.floatInputs.map((_, k) => k)
    return grad(lossOf(graph) as (...own: Tensor[]) => Tensor, { argnums })(
      ...graph.floatInputs.map((at) => graph.inputs[at]),
    ) as unknown as Tensor[]
  },
  'forward derivatives': (graph) => {
    const own = graph.floatInputs.map((at) => graph.inputs[at])
    return [
      jvp(
        lossOf(graph),
        own,
        own.map((x) => mul(x, 0.5)),
      )[1],
    ]
  },
  maps: (graph) => {
    const [first] = graph.floatInputs
    const inputs = graph.inputs.map((x, k) => (k === first ? stack([x, mul(x, 0.5), exp(mul(x, 0.1))]) : x))
    return vmap(graph.f, { inAxes: graph.inputs.map((_, k) => (k === first ? 0 : null)) })(...inputs)
  },
}

/** In float64 the interpreter and a backend agree to the digits of f32 constants, whatever the graph. */
const FLOAT64_GRAPH = 1e-5
/** Derivatives of a dozen operators in f32, relative to the largest element. */
const DERIVED_TOLERANCE = { plain: 2e-3, narrow: 0.3 }

function randomGraphs(suite: SuiteContext): void {
  const { graphs = 40, it } = suite.options
  for (const [name, derive] of Object.entries(DERIVED))
    it(`${name} of ${graphs} random graphs: fused = unfused bit for bit, both as interpreted`, async () => {
      for (let seed = 1; seed <= graphs; seed++) {
        const graph = randomGraph(seed, {
          steps: 4 + (seed % 14),
          narrow: suite.has('f16') && suite.has('bf16') && !suite.backend.capabilities.float64,
        })
        if (graph.inputs.some((x) => !suite.has(x.dtype))) continue
        try {
          await checkGraph(suite, graph, derive, name === 'values')
        } catch (cause) {
          throw new Error(
            `random graph ${seed} (${name}): ${cause instanceof Error ? cause.message : String(cause)}\n${graph.description}`,
            { cause },
          )
        }
      }
    }, 300_000)
}

async function checkGraph(suite: SuiteContext, graph: RandomGraph, derive: Derive, plain: boolean): Promise<void> {
  const { float64 } = suite.backend.capabilities
  const outputs = derive(graph)
  const want = interpret(outputs, new Map(), { round: !float64 })
  await evaluateWith({ backend: suite.backend }, outputs)
  const narrow = graph.tolerances.some((tolerance) => tolerance > 0.01)
  for (const [k, output] of outputs.entries()) {
    const allowed = float64
      ? FLOAT64_GRAPH
      : plain
        ? graph.tolerances[k]
        : narrow
          ? DERIVED_TOLERANCE.narrow
          : DERIVED_TOLERANCE.plain
    compareToScale(
      await data(output),
      want[k],
      isFloat(output.dtype) ? allowed * (suite.options.toleranceFactor ?? 1) : 0,
      `output ${k} ${output.dtype} [${output.shape.join(', ')}]`,
    )
  }
  if (suite.bitwise) await suite.checkUnfused(outputs, derive(graph))
}

/** Errors against 1 + the largest element: single elements may cancel. */
function compareToScale(got: ArrayLike<number>, want: Float64Array, allowed: number, what: string): void {
  const scale = 1 + want.reduce((top, value) => (Number.isFinite(value) ? Math.max(top, Math.abs(value)) : top), 0)
  want.forEach((value, k) => {
    if (got[k] === value || (Number.isNaN(got[k]) && Number.isNaN(value))) return
    if (!(Math.abs(got[k] - value) <= allowed * scale))
      throw new Error(`${what}: element ${k} must be ${value}, got ${got[k]}`)
  })
}
