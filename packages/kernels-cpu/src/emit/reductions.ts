/**
 * Folding a row into one value, lanes in vectors: element j belongs to lane j mod 16, so four vectors hold the sixteen
 * lanes. The order of float sums and products is the one `REDUCE_LANES` and `REDUCE_BLOCK` fix for every backend.
 */
import { type Expr, type ReduceKind, type ScalarType } from '@tarazed/tensor'
import { floatBits } from '../wasm/bytes.js'
import { V128, type Code } from '../wasm/code.js'
import { binaryInstruction } from './values.js'

export type ReduceExpr = Extract<Expr, { op: 'reduce' }>

/** How one reduction is folded. */
export interface Fold {
  readonly kind: ReduceKind
  /** Type of the elements. */
  readonly type: ScalarType
}

/** argMax and argMin carry the index of the value in a second vector. */
export function isArg(fold: Fold): boolean {
  return fold.kind === 'argMax' || fold.kind === 'argMin'
}

/** Only these depend on the order of the elements; everything else is folded without blocks. */
export function isOrdered(fold: Fold): boolean {
  return fold.type === 'f32' && (fold.kind === 'sum' || fold.kind === 'prod')
}

/** Bits of the value that changes nothing. */
export function identityBits(fold: Fold): number {
  switch (fold.kind) {
    case 'sum':
    case 'any':
      return 0
    case 'prod':
      return fold.type === 'f32' ? floatBits(1) : 1
    case 'all':
      return -1
    case 'max':
    case 'argMax':
      return lowest(fold.type)
    case 'min':
    case 'argMin':
      return highest(fold.type)
  }
}

function lowest(type: ScalarType): number {
  if (type === 'f32') return floatBits(-Infinity)
  return type === 'i32' ? -0x80000000 : 0
}

function highest(type: ScalarType): number {
  if (type === 'f32') return floatBits(Infinity)
  return type === 'i32' ? 0x7fffffff : -1
}

/** Index of a lane that has seen nothing: larger than every real one. */
export const NO_INDEX = 0x7fffffff

const OPERATOR: Partial<Record<ReduceKind, string>> = {
  sum: 'add',
  prod: 'mul',
  max: 'max',
  min: 'min',
  any: 'or',
  all: 'and',
}

/** accumulator = accumulator ∘ the value on the stack. */
export function foldInto(code: Code, fold: Fold, accumulator: number): void {
  const value = code.allocate(V128)
  code.set(value)
  code.get(accumulator)
  code.get(value)
  pushFolded(code, fold)
  code.set(accumulator)
  code.release(value)
}

/** Folds the two vectors on the stack. */
export function pushFolded(code: Code, fold: Fold): void {
  const instruction = binaryInstruction(OPERATOR[fold.kind] ?? '', fold.type)
  if (instruction === undefined) throw new Error(`no instruction folds ${fold.kind} of ${fold.type}`)
  code.simd(instruction)
}

/** A value with its index, as locals. */
export interface Indexed {
  readonly value: number
  readonly index: number
}

/** best = the better of best and candidate: NaN first, then the larger (smaller) value, then the lower index. */
export function foldIndexed(code: Code, fold: Fold, best: Indexed, candidate: Indexed): void {
  const take = code.allocate(V128)
  pushTakes(code, fold, best, candidate)
  code.set(take)
  for (const field of ['value', 'index'] as const) {
    code.get(candidate[field])
    code.get(best[field])
    code.get(take)
    code.simd('bitselect')
    code.set(best[field])
  }
  code.release(take)
}

function pushTakes(code: Code, fold: Fold, best: Indexed, candidate: Indexed): void {
  const [smaller, larger] = fold.kind === 'argMax' ? [best, candidate] : [candidate, best]
  code.get(smaller.value)
  code.get(larger.value)
  code.simd(binaryInstruction('lt', fold.type)!) // every type is ordered
  code.get(candidate.value)
  code.get(best.value)
  code.simd(binaryInstruction('eq', fold.type)!)
  if (fold.type === 'f32') pushBothNaN(code, best.value, candidate.value)
  code.get(candidate.index)
  code.get(best.index)
  code.simd('i32LtS')
  code.simd('and')
  code.simd('or')
  if (fold.type === 'f32') pushOnlyCandidateNaN(code, best.value, candidate.value)
}

/** Or-s "both are NaN" into the mask on the stack: two NaN are equally good. */
function pushBothNaN(code: Code, best: number, candidate: number): void {
  pushNaN(code, best)
  pushNaN(code, candidate)
  code.simd('and')
  code.simd('or')
}

function pushOnlyCandidateNaN(code: Code, best: number, candidate: number): void {
  pushNaN(code, candidate)
  pushNaN(code, best)
  code.simd('andNot')
  code.simd('or')
}

function pushNaN(code: Code, local: number): void {
  code.get(local)
  code.get(local)
  code.simd('f32Ne')
}
