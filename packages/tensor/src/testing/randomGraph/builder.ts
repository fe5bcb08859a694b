/** Growing a random graph step by step, so that a graph of fewer steps is a prefix of a longer one. */
import { isFloat, type DType } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { sizeOf } from '../../shape.js'
import { tensor } from '../../ops/create.js'
import { seededRandom } from '../random.js'

/** A value of the graph and what is known of it. */
export interface Entry {
  readonly tensor: Tensor
  /** |elements| are at most this. */
  readonly bound: number
  /** Bits are the same on every backend and under every rounding, so that comparing, sorting and cutting are safe. */
  readonly exact: boolean
  /** Something in its history was rounded to f16 or bf16. */
  readonly narrow: boolean
}

export interface GraphStep {
  readonly name: string
  /** Positions of operands: inputs first, then the results of steps. */
  readonly operands: readonly number[]
  readonly apply: (...operands: Tensor[]) => Tensor
}

/** Larger values are squashed before they are used further. */
export const LARGE = 50

export class GraphBuilder {
  readonly entries: Entry[] = []
  readonly steps: GraphStep[] = []
  readonly maxElements: number
  readonly #random: () => number

  constructor(seed: number, maxElements: number) {
    this.#random = seededRandom(seed)
    this.maxElements = maxElements
  }

  below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  chance(probability: number): boolean {
    return this.#random() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.#random()
  }

  shape(maxRank = 3): number[] {
    const shape = Array.from({ length: this.below(maxRank + 1) }, () => this.pick([1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17]))
    while (sizeOf(shape) > this.maxElements) shape[shape.indexOf(Math.max(...shape))] = this.pick([1, 2, 3])
    return shape
  }

  /** A new input: floats in [-2, 2], small integers, or bool. */
  addInput(dtype: DType, shape = this.shape()): number {
    const size = sizeOf(shape)
    const element = (): number => {
      if (dtype === 'bool') return this.below(2)
      if (isFloat(dtype)) return this.uniform(-2, 2)
      return this.below(7) - (dtype === 'i32' || dtype === 'i8' ? 3 : 0)
    }
    const data = Array.from({ length: size }, element)
    this.entries.push({
      tensor: tensor(data, { shape, dtype }),
      bound: isFloat(dtype) ? 2 : 6,
      exact: true,
      narrow: isFloat(dtype) && dtype !== 'f32',
    })
    return this.entries.length - 1
  }

  /** A position whose entry fits, recent ones more often; undefined when there is none. */
  find(fits: (entry: Entry) => boolean): number | undefined {
    const all = this.entries.flatMap((entry, k) => (fits(entry) ? [k] : []))
    if (all.length === 0) return undefined
    return this.chance(0.5) ? all[all.length - 1 - this.below(Math.min(3, all.length))] : this.pick(all)
  }

  findFloat(more: (entry: Entry) => boolean = () => true): number | undefined {
    return this.find((entry) => isFloat(entry.tensor.dtype) && more(entry))
  }

  at(position: number): Tensor {
    return this.entries[position].tensor
  }

  /**
   * Adds a step unless its result would be too large. What it inherits: narrow from any operand; exact only when `exact` is given.
   * @returns whether it was added
   */
  add(
    name: string,
    operands: readonly number[],
    apply: GraphStep['apply'],
    facts: { readonly bound: number; readonly exact?: boolean },
  ): boolean {
    const own = operands.map((k) => this.entries[k])
    const result = apply(...own.map((entry) => entry.tensor))
    if (result.size > this.maxElements) return false
    this.steps.push({ name, operands, apply })
    this.entries.push({
      tensor: result,
      bound: facts.bound,
      exact: facts.exact === true && own.every((entry) => entry.exact),
      narrow: own.some((entry) => entry.narrow) || (isFloat(result.dtype) && result.dtype !== 'f32'),
    })
    return true
  }
}

/** Tries to add one step of its kind; false when the values at hand do not allow it. */
export type Maker = (builder: GraphBuilder) => boolean
