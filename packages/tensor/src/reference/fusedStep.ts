/** One fused step as closures over a small frame: no `eval`, one call an expression and element. */
import { InternalError } from '../errors.js'
import type { Access, Expr, FusedStep, Store } from '../program/ir.js'
import { argumentsOf } from '../program/argumentsOf.js'
import { phasesBefore } from '../program/validate/fusedStep.js'
import type { Cell } from './cell.js'
import { foldOf, type Fold } from './fold.js'
import { binaryFunction, floatRounding, narrowing, unaryFunction } from './scalarMath.js'

/** What a step finds when it runs: the slots and params of the program. */
export interface Bindings {
  readonly cells: readonly Cell[]
  readonly params: readonly number[]
}

type Evaluate = () => number

/** Makes a step ready to run on any bindings. */
export function compileFusedStep(step: FusedStep, float64: boolean): (bindings: Bindings) => void {
  const kernel = new FusedKernel(step, float64)
  return (bindings) => kernel.run(bindings)
}

class FusedKernel {
  readonly #step: FusedStep
  readonly #float64: boolean
  readonly #evaluate: readonly Evaluate[]
  readonly #values: Float64Array
  /** Coordinates of all axes, the inner one last. */
  readonly #at: Int32Array
  readonly #folds: ReadonlyMap<number, Fold>
  /** Row expressions that can be computed once `phase` phases have ended, by phase. */
  readonly #rowExprs: readonly (readonly number[])[]
  /** Element expressions that the reductions of a phase need; the last entry is for the element stores. */
  readonly #elementExprs: readonly (readonly number[])[]
  #bindings: Bindings = { cells: [], params: [] }

  constructor(step: FusedStep, float64: boolean) {
    this.#step = step
    this.#float64 = float64
    this.#values = new Float64Array(step.exprs.length)
    this.#at = new Int32Array(step.outer.length + 1)
    const folds = new Map<number, Fold>()
    step.exprs.forEach((expr, at) => {
      if (expr.op === 'reduce') folds.set(at, foldOf(expr.kind, step.exprs[expr.arg].type))
    })
    this.#folds = folds
    this.#evaluate = step.exprs.map((expr, at) => this.#compile(expr, at))
    const before = phasesBefore(step.exprs)
    const needed = this.#neededRows()
    const phases = Array.from({ length: step.phases + 1 }, (_, phase) => phase)
    this.#rowExprs = phases.map((phase) =>
      step.exprs.flatMap((_, at) => (needed.has(at) && before[at] === phase ? [at] : [])),
    )
    this.#elementExprs = phases.map((phase) => this.#neededElements(phase))
  }

  run(bindings: Bindings): void {
    this.#bindings = bindings
    const { outer } = this.#step
    if (outer.includes(0)) return
    this.#at.fill(0)
    for (;;) {
      this.#row()
      let axis = outer.length - 1
      while (axis >= 0 && ++this.#at[axis] === outer[axis]) this.#at[axis--] = 0
      if (axis < 0) return
    }
  }

  #row(): void {
    const { phases, inner, stores } = this.#step
    const innerAxis = this.#step.outer.length
    for (const fold of this.#folds.values()) fold.reset()
    for (let phase = 0; phase <= phases; phase++) {
      for (const at of this.#rowExprs[phase]) this.#values[at] = this.#evaluate[at]()
      const ending = [...this.#folds].filter(([at]) => (this.#step.exprs[at] as Reduce).phase === phase)
      for (let j = 0; j < inner; j++) {
        this.#at[innerAxis] = j
        for (const at of this.#elementExprs[phase]) this.#values[at] = this.#evaluate[at]()
        for (const [at, fold] of ending) fold.add(this.#values[(this.#step.exprs[at] as Reduce).arg], j)
        if (phase === phases) for (const store of stores) if (store.level === 'element') this.#store(store)
      }
    }
    for (const store of stores) if (store.level === 'row') this.#store(store)
  }

  #store(store: Store): void {
    const cell = this.#bindings.cells[this.#step.operands[store.operand]]
    cell.write(this.#place(store.access), this.#values[store.value])
  }

  #place({ offset, strides, gathered }: Access): number {
    let place = offset
    for (let axis = 0; axis < strides.length; axis++) place += strides[axis] * this.#at[axis]
    for (const term of gathered) place += term.stride * this.#values[term.expr]
    return place
  }

  /**
   * Row expressions that something reads which is computed. In an empty row no element is, and a load that only an
   * element needs may then point nowhere.
   */
  #neededRows(): Set<number> {
    const { exprs, stores, inner } = this.#step
    const needed = new Set<number>()
    const need = (at: number): void => {
      if (needed.has(at)) return
      needed.add(at)
      const expr = exprs[at]
      if (expr.op !== 'reduce' || inner > 0) argumentsOf(expr).forEach(need)
    }
    for (const store of stores) {
      if (store.level === 'element' && inner === 0) continue
      need(store.value)
      for (const term of store.access.gathered) need(term.expr)
    }
    return new Set([...needed].filter((at) => exprs[at].level === 'row'))
  }

  /** In dependency order. */
  #neededElements(phase: number): number[] {
    const { exprs, phases, stores } = this.#step
    const needed = new Set<number>()
    const need = (at: number): void => {
      // arguments have smaller numbers, so the depth is bounded by the step's length
      if (needed.has(at) || exprs[at].level === 'row') return
      needed.add(at)
      argumentsOf(exprs[at]).forEach(need)
    }
    for (const expr of exprs) if (expr.op === 'reduce' && expr.phase === phase) need(expr.arg)
    if (phase === phases) {
      for (const store of stores) {
        if (store.level !== 'element') continue
        need(store.value)
        for (const term of store.access.gathered) need(term.expr)
      }
    }
    return [...needed].sort((a, b) => a - b)
  }

  #compile(expr: Expr, at: number): Evaluate {
    const values = this.#values
    const float64 = this.#float64
    const { exprs } = this.#step
    switch (expr.op) {
      case 'const':
        return () => expr.value
      case 'param': {
        const round = expr.type === 'f32' ? floatRounding(float64) : (value: number) => value
        return () => round(this.#bindings.params[this.#step.params[expr.param]])
      }
      case 'index':
        return () => this.#at[expr.axis]
      case 'load':
        return () => {
          if (expr.guard !== undefined && values[expr.guard] === 0) return 0
          return this.#bindings.cells[this.#step.operands[expr.operand]].read(this.#place(expr.access))
        }
      case 'reduce': {
        const fold = this.#folds.get(at)
        if (fold === undefined) throw new InternalError(`reference: expression ${at} has no fold`)
        const round = expr.type === 'f32' ? floatRounding(float64) : (value: number) => value
        return () => round(fold.value())
      }
      case 'round': {
        const narrow = narrowing(expr.to, float64)
        const [a] = expr.args
        return () => narrow(values[a])
      }
      case 'select': {
        const [condition, yes, no] = expr.args
        return () => (values[condition] !== 0 ? values[yes] : values[no])
      }
      case 'fma': {
        const [a, b, c] = expr.args
        const round = floatRounding(float64)
        return () => round(values[a] * values[b] + values[c])
      }
      default:
        return compileOperator(expr, exprs, values, float64)
    }
  }
}

type Reduce = Extract<Expr, { op: 'reduce' }>
type Operator = Exclude<Extract<Expr, { args: readonly [number] | readonly [number, number] }>, { op: 'round' }>

function compileOperator(expr: Operator, exprs: readonly Expr[], values: Float64Array, float64: boolean): Evaluate {
  const { type } = exprs[expr.args[0]]
  if (isBinary(expr)) {
    const [a, b] = expr.args
    const apply = binaryFunction(expr.op, type, float64)
    return () => apply(values[a], values[b])
  }
  const [a] = expr.args
  const apply = unaryFunction(expr.op, type, float64)
  return () => apply(values[a])
}

function isBinary(expr: Operator): expr is Extract<Operator, { args: readonly [number, number] }> {
  return expr.args.length === 2
}
