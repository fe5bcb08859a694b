/** Random graphs and their derivatives on a backend. */
import { isFloat } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { add, cast, exp, mul, tanh } from '../../ops/elementwise.js'
import { stack } from '../../ops/movement.js'
import { sum } from '../../ops/reduce.js'
import { evaluateWith } from '../../runtime/evaluate.js'
import { data } from '../../runtime/read.js'
import { grad } from '../../transforms/grad.js'
import { jvp } from '../../transforms/jvp.js'
import { vmap } from '../../transforms/vmap.js'
import { interpret } from '../interpret.js'
import { randomGraph, type RandomGraph } from '../randomGraph.js'
import type { SuiteContext } from './context.js'

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

const DERIVED: Record<GraphKind, Derive> = {
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

export type GraphKind = 'values' | 'gradients' | 'forward derivatives' | 'maps'
export const GRAPH_KINDS: readonly GraphKind[] = ['values', 'gradients', 'forward derivatives', 'maps']

export function randomGraphs(suite: SuiteContext): void {
  const { graphs = 40, it } = suite.options
  for (const kind of GRAPH_KINDS)
    it(`${kind} of ${graphs} random graphs: fused = unfused bit for bit, both as interpreted`, async () => {
      for (let seed = 1; seed <= graphs; seed++) await checkRandomGraph(suite, seed, 4 + (seed % 14), kind)
    }, 300_000)
}

/**
 * Runs a random graph (or its gradients, its jvp, its vmap) fused and unfused and compares both with the interpreter.
 * @throws Error with the graph written out
 */
export async function checkRandomGraph(
  suite: SuiteContext,
  seed: number,
  steps: number,
  kind: GraphKind,
): Promise<void> {
  const narrow = suite.has('f16') && suite.has('bf16') && !suite.backend.capabilities.float64
  const graph = randomGraph(seed, { steps, narrow })
  if (graph.inputs.some((x) => !suite.has(x.dtype))) return
  try {
    await checkGraph(suite, graph, DERIVED[kind], kind === 'values')
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`${kind} of random graph ${seed} with ${steps} steps: ${reason}\n${graph.description}`, { cause })
  }
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
