/** Derivatives against finite differences, in float64 through the interpreter. */
import type { DType } from '../dtype.js'
import { isFloat } from '../dtype.js'
import type { TensorSpec } from '../graph/primitive.js'
import { binary, placeholder, reduceOver } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { grad } from '../transforms/grad.js'
import { jvp } from '../transforms/jvp.js'
import { vjp } from '../transforms/vjp.js'
import { vmap } from '../transforms/vmap.js'
import { interpret } from './interpret.js'
import { seededRandom } from './random.js'

/** One argument of a function under test. */
export interface CheckInput {
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
  /** Default f32. Integers and bool are constants of the check. */
  readonly dtype?: DType
}

/** What `checkGrad` checks, and how closely. */
export interface GradCheckOptions {
  /** Positions of the inputs to differentiate; default all floats. */
  readonly wrt?: readonly number[]
  /** Step of the central difference; default 1e-5. */
  readonly step?: number
  /** Largest |got - want| / (1 + |want|); default 1e-6 (second derivatives: ten times that). */
  readonly tolerance?: number
  /** Check second derivatives too, forward and reverse over reverse; default true. */
  readonly second?: boolean
  /** Check jvp; default true. */
  readonly forward?: boolean
  /** Check that vmap of function and gradient equals one call after the other; default true. */
  readonly batch?: boolean
  readonly seed?: number
}

type Lists = readonly Float64Array[]
type ManyFunction = (...inputs: Tensor[]) => Tensor[]

/**
 * Checks the derivatives of a function in every mode: vjp element by element and jvp against central differences,
 * second derivatives against differences of the gradient, and vmap against single calls.
 *
 * @param f tensors -> a tensor or a list of tensors, smooth near the inputs
 * @throws Error naming the mode, the place and both numbers
 */
export function checkGrad(
  f: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly CheckInput[],
  options: GradCheckOptions = {},
): void {
  new GradCheck(f, inputs, options).run()
}

class GradCheck {
  readonly #placeholders: readonly Tensor[]
  readonly #data: Lists
  readonly #wrt: readonly number[]
  readonly #options: GradCheckOptions
  readonly #random: () => number
  /** The function of the differentiated inputs alone, float outputs only. */
  readonly #f: ManyFunction

  constructor(
    f: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
    inputs: readonly CheckInput[],
    options: GradCheckOptions,
  ) {
    this.#placeholders = inputs.map((input) => placeholder(input.shape, input.dtype ?? 'f32'))
    this.#data = inputs.map((input) => Float64Array.from(input.data))
    this.#options = options
    this.#random = seededRandom(options.seed ?? 1)
    this.#wrt = options.wrt ?? this.#placeholders.flatMap((p, k) => (isFloat(p.dtype) ? [k] : []))
    this.#f = (...own) => {
      const all = [...this.#placeholders]
      this.#wrt.forEach((at, k) => (all[at] = own[k]))
      const result = f(...all)
      return (Array.isArray(result) ? (result as Tensor[]) : [result as Tensor]).filter((t) => isFloat(t.dtype))
    }
  }

  run(): void {
    const own = this.#wrt.map((k) => this.#placeholders[k])
    const outputs = this.#f(...own)
    const cotangents = outputs.map((t) => this.#noise(t.size))
    const loss = this.#lossOf(cotangents)
    this.#checkReverse(loss, own)
    if (this.#options.forward !== false) this.#checkForward(this.#f, own, 'jvp', this.#tolerance)
    if (this.#options.second !== false) {
      const gradient = grad(loss as (...inputs: Tensor[]) => Tensor, {
        argnums: own.map((_, k) => k),
      }) as unknown as ManyFunction
      if (this.#options.forward !== false)
        this.#checkForward(gradient, own, 'forward over reverse', 10 * this.#tolerance)
      this.#checkReverseOverReverse(gradient, own)
    }
    if (this.#options.batch !== false) this.#checkBatch(loss, own)
  }

  get #tolerance(): number {
    return this.#options.tolerance ?? 1e-6
  }

  get #step(): number {
    return this.#options.step ?? 1e-5
  }

  #noise(n: number): Float64Array {
    return Float64Array.from({ length: n }, () => this.#random() * 2 - 1)
  }

  /** Σ cotangent · output, a scalar function in f32 (held in float64). */
  #lossOf(cotangents: Lists): (...own: Tensor[]) => Tensor {
    return (...own) => {
      const terms = this.#f(...own).map((out, k) => dot(out, this.#constant(out, cotangents[k])))
      return terms.reduce((a, b) => binary('add', a, b))
    }
  }

  /** Placeholders made while the check builds its functions, with their values. */
  readonly #constants = new Map<Tensor, Float64Array>()

  #constant(like: TensorSpec, data: Float64Array): Tensor {
    const tensor = placeholder(like.shape, like.dtype)
    this.#constants.set(tensor, data)
    return tensor
  }

  /** Values of tensors with the inputs moved by `by`. */
  #evaluate(tensors: readonly Tensor[], by: ReadonlyMap<Tensor, Float64Array> = new Map()): Float64Array[] {
    const bindings = new Map<Tensor, ArrayLike<number>>(this.#constants)
    this.#placeholders.forEach((p, k) => {
      const move = by.get(p)
      bindings.set(p, move === undefined ? this.#data[k] : this.#data[k].map((x, l) => x + move[l]))
    })
    return interpret(tensors, bindings)
  }

  /** Central difference of all elements of tensors along a direction. */
  #difference(tensors: readonly Tensor[], direction: ReadonlyMap<Tensor, Float64Array>): Float64Array[] {
    const scaled = (factor: number): Map<Tensor, Float64Array> =>
      new Map([...direction].map(([tensor, move]) => [tensor, move.map((x) => x * factor)]))
    const after = this.#evaluate(tensors, scaled(this.#step))
    const before = this.#evaluate(tensors, scaled(-this.#step))
    return after.map((list, k) => list.map((value, l) => (value - before[k][l]) / (2 * this.#step)))
  }

  #checkReverse(loss: (...own: Tensor[]) => Tensor, own: readonly Tensor[]): void {
    const [value, pull] = vjp(loss, ...own)
    const one = this.#constant(value, Float64Array.of(1))
    const gradients = this.#evaluate(pull(one))
    own.forEach((x, k) => {
      for (let at = 0; at < x.size; at++) {
        const unit = new Float64Array(x.size)
        unit[at] = 1
        const [[want]] = this.#difference([value], new Map([[x, unit]]))
        this.#compare(`vjp of input ${this.#wrt[k]} at element ${at}`, gradients[k][at], want, this.#tolerance)
      }
    })
  }

  #directions(own: readonly Tensor[]): { tangents: Tensor[]; moves: Map<Tensor, Float64Array> } {
    const moves = new Map(own.map((x) => [x, this.#noise(x.size)]))
    return { tangents: own.map((x) => this.#constant(x, moves.get(x) as Float64Array)), moves }
  }

  #checkForward(f: ManyFunction, own: readonly Tensor[], mode: string, tolerance: number): void {
    const { tangents, moves } = this.#directions(own)
    const [outputs, out] = jvp(f, [...own], tangents)
    const got = this.#evaluate(out)
    this.#difference(outputs, moves).forEach((list, k) =>
      list.forEach((want, at) => this.#compare(`${mode} of output ${k} at element ${at}`, got[k][at], want, tolerance)),
    )
  }

  /** The gradient of ⟨gradient, v⟩ against the difference of the gradient along v: a Hessian is symmetric. */
  #checkReverseOverReverse(gradient: ManyFunction, own: readonly Tensor[]): void {
    const { tangents, moves } = this.#directions(own)
    const product = (...inner: Tensor[]): Tensor =>
      gradient(...inner)
        .map((g, k) => dot(g, tangents[k]))
        .reduce((a, b) => binary('add', a, b))
    const second = grad(product as (...inputs: Tensor[]) => Tensor, {
      argnums: own.map((_, k) => k),
    }) as unknown as ManyFunction
    const got = this.#evaluate(second(...own))
    this.#difference(gradient(...own), moves).forEach((list, k) =>
      list.forEach((want, at) =>
        this.#compare(
          `reverse over reverse of input ${this.#wrt[k]} at element ${at}`,
          got[k][at],
          want,
          10 * this.#tolerance,
        ),
      ),
    )
  }

  #checkBatch(loss: (...own: Tensor[]) => Tensor, own: readonly Tensor[]): void {
    const count = 3
    const gradient = grad(loss as (...inputs: Tensor[]) => Tensor, {
      argnums: own.map((_, k) => k),
    }) as unknown as ManyFunction
    const both: ManyFunction = (...inner) => [...this.#f(...inner), ...gradient(...inner)]
    const moves = Array.from(
      { length: count },
      () => new Map(own.map((x) => [x, this.#noise(x.size).map((v) => v * 1e-3)])),
    )
    const single = moves.map((move) => this.#evaluate(both(...own), move))
    const stacks = own.map((x) => {
      const rows = moves.map((move) =>
        this.#data[this.#placeholders.indexOf(x)].map((v, l) => v + (move.get(x) as Float64Array)[l]),
      )
      return this.#constant({ shape: [count, ...x.shape], dtype: x.dtype }, concatenate(rows))
    })
    // One input after the other is mapped alone, then all together: rules treat shared operands differently.
    const choices =
      own.length === 1
        ? [own.map(() => true)]
        : [own.map(() => true), ...own.map((_, k) => own.map((__, l) => k === l))]
    for (const mapped of choices) {
      const inAxes = mapped.map((is) => (is ? 0 : null))
      const inputs = own.map((x, k) => (mapped[k] ? stacks[k] : x))
      const results = this.#evaluate(vmap(both, { inAxes })(...inputs))
      for (let row = 0; row < count; row++) {
        const want = mapped.every((is) => is)
          ? single[row]
          : this.#evaluate(both(...own), onlyMapped(moves[row], own, mapped))
        results.forEach((list, k) => {
          const size = list.length / count
          for (let at = 0; at < size; at++)
            this.#compare(
              `vmap (inAxes ${JSON.stringify(inAxes)}) of result ${k}, row ${row}, element ${at}`,
              list[row * size + at],
              want[k][at],
              1e-9,
            )
        })
      }
    }
  }

  #compare(what: string, got: number, want: number, tolerance: number): void {
    if (Object.is(got, want) || Math.abs(got - want) <= tolerance * (1 + Math.abs(want))) return
    throw new Error(`checkGrad: ${what} must be ${want} (finite difference or single call), got ${got}`)
  }
}

function dot(a: Tensor, b: Tensor): Tensor {
  const product = binary('mul', a, b)
  return reduceOver(
    'sum',
    product,
    product.shape.map((_, k) => k),
  )
}

function concatenate(rows: Lists): Float64Array {
  const all = new Float64Array(rows.reduce((sum, row) => sum + row.length, 0))
  let done = 0
  for (const row of rows) {
    all.set(row, done)
    done += row.length
  }
  return all
}

function onlyMapped(
  move: ReadonlyMap<Tensor, Float64Array>,
  own: readonly Tensor[],
  mapped: readonly boolean[],
): Map<Tensor, Float64Array> {
  return new Map([...move].filter(([tensor]) => mapped[own.indexOf(tensor)]))
}
