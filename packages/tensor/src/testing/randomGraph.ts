/** Random graphs over all primitives and most operators: for properties that must hold of every program. */
import { isFloat, type DType } from '../dtype.js'
import type { Tensor } from '../graph/tensor.js'
import { GraphBuilder, type GraphStep, type Maker } from './randomGraph/builder.js'
import { ELEMENTWISE } from './randomGraph/elementwise.js'
import { FOLDS_AND_ROWS } from './randomGraph/folds.js'
import { MOVEMENT } from './randomGraph/movement.js'
import { ROUTINES } from './randomGraph/routines.js'

/** What a random graph may contain. */
export interface RandomGraphOptions {
  /** Steps to try; default 12. A graph of fewer steps with the same seed is a prefix, so that shrinking this number shrinks a failure. */
  readonly steps?: number
  /** Elements of the largest value; default 400. */
  readonly maxElements?: number
  /** Dtypes of float inputs beside f32; default f16 and bf16 now and then. `false`: f32 only. */
  readonly narrow?: boolean
  /** Matrix products, convolution, attention, indexing, sorts and loops too; default true. */
  readonly routines?: boolean
}

/** A random function with its inputs. */
export interface RandomGraph {
  /** Host tensors; the first `floats` of them are f32. */
  readonly inputs: readonly Tensor[]
  /** Positions of the f32 inputs: what can be differentiated. */
  readonly floatInputs: readonly number[]
  /** Builds the graph on other inputs of equal shapes and dtypes: the outputs in order. */
  readonly f: (...inputs: Tensor[]) => Tensor[]
  /** `f` of the inputs. */
  readonly outputs: readonly Tensor[]
  /** How far an output may be from one computed in float64, relative to 1 + its largest element. 0: exact. */
  readonly tolerances: readonly number[]
  /** One line per step, for messages. */
  readonly description: string
}

/**
 * A random graph, the same for the same seed: broadcasts, views, reductions over any axes, row functions, gathers, pads,
 * joins, products, loops; values with several readers, several outputs, all dtypes; sizes small and odd. Values stay
 * moderate, and functions with jumps or kinks get exact operands only, so that results do not hang on last bits.
 */
export function randomGraph(seed: number, options: RandomGraphOptions = {}): RandomGraph {
  const { steps = 12, maxElements = 400, narrow = true, routines = true } = options
  const builder = new GraphBuilder(seed, maxElements)
  addInputs(builder, narrow)
  const inputCount = builder.entries.length
  const makers: readonly (readonly Maker[])[] = [ELEMENTWISE, MOVEMENT, FOLDS_AND_ROWS, ...(routines ? [ROUTINES] : [])]
  for (let step = 0; step < steps; step++)
    for (let attempt = 0; attempt < 8; attempt++) if (builder.pick(builder.pick(makers))(builder)) break
  return finished(builder, inputCount)
}

function addInputs(builder: GraphBuilder, narrow: boolean): void {
  builder.addInput('f32', [builder.pick([2, 3, 5, 8]), builder.pick([3, 4, 7, 16])])
  builder.addInput('f32')
  builder.addInput('f32', [builder.pick([2, 3]), builder.pick([1, 4]), builder.pick([3, 5, 8])])
  builder.addInput('i32', [builder.pick([1, 3, 5])])
  builder.addInput('i32', [])
  builder.addInput(builder.pick<DType>(['bool', 'u8', 'i8', 'u32']))
  if (narrow && builder.chance(0.4)) builder.addInput(builder.pick<DType>(['f16', 'bf16']))
}

function finished(builder: GraphBuilder, inputCount: number): RandomGraph {
  const { entries, steps } = builder
  const inputs = entries.slice(0, inputCount).map((entry) => entry.tensor)
  const chosen = chooseOutputs(steps, inputCount)
  const f = (...given: Tensor[]): Tensor[] => {
    const values = [...given]
    for (const step of steps) values.push(step.apply(...step.operands.map((k) => values[k])))
    return chosen.map((k) => values[k])
  }
  return {
    inputs,
    floatInputs: inputs.flatMap((x, k) => (x.dtype === 'f32' ? [k] : [])),
    f,
    outputs: chosen.map((k) => entries[k].tensor),
    tolerances: chosen.map((k) => toleranceOf(entries[k].tensor.dtype, entries[k].narrow)),
    description: steps
      .map((step, k) => `v${inputCount + k} = ${step.name}(${step.operands.map((o) => `v${o}`).join(', ')})`)
      .join('\n'),
  }
}

/** Every value that nothing reads, and every fourth one that something reads: several outputs, some in the middle. */
function chooseOutputs(steps: readonly GraphStep[], inputCount: number): number[] {
  const read = new Set(steps.flatMap((step) => step.operands))
  const all = steps.map((_, k) => inputCount + k)
  const chosen = all.filter((k) => !read.has(k) || k % 4 === 0)
  return chosen.length === 0 ? [0] : chosen
}

function toleranceOf(dtype: DType, narrow: boolean): number {
  if (!isFloat(dtype)) return 0
  return narrow ? 0.15 : 2e-4
}
