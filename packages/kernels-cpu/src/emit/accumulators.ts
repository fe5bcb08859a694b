/** The sixteen lanes of a reduction in vectors, as locals, and their fold into one value. */
import { V128, type Code } from '../wasm/code.js'
import type { Position } from './context.js'
import {
  foldIndexed,
  foldInto,
  identityBits,
  isArg,
  isOrdered,
  NO_INDEX,
  pushFolded,
  type Fold,
  type Indexed,
} from './reductions.js'
import type { Scope } from './scope.js'

/** Up to four vectors of accumulators (and four of totals where blocks are summed apart). */
export class Accumulators {
  readonly #code: Code
  readonly #lanes: Indexed[]
  readonly #totals: Indexed[]
  /** Largest and smallest floats: the lanes ignore NaN and the sign of zero, which are told apart here. */
  readonly #signs?: { readonly nan: number; readonly sign: number }

  constructor(
    code: Code,
    readonly what: Fold,
    vectors: number,
    long: boolean,
  ) {
    this.#code = code
    const make = (): Indexed => ({ value: code.allocate(V128), index: isArg(what) ? code.allocate(V128) : -1 })
    const count = Math.max(1, vectors)
    this.#lanes = Array.from({ length: count }, make)
    this.#totals = long && isOrdered(what) ? Array.from({ length: count }, make) : []
    this.#clear(this.#lanes)
    this.#clear(this.#totals)
    if (what.type === 'f32' && (what.kind === 'max' || what.kind === 'min')) {
      this.#signs = { nan: code.allocate(V128), sign: code.allocate(V128) }
      this.#clearSigns(this.#signs)
    }
  }

  #clearSigns({ nan, sign }: { readonly nan: number; readonly sign: number }): void {
    this.#code.splatBits(0)
    this.#code.set(nan)
    this.#code.splatBits(this.what.kind === 'max' ? -1 : 0)
    this.#code.set(sign)
  }

  #clear(lanes: readonly Indexed[]): void {
    for (const { value, index } of lanes) {
      this.#code.splatBits(identityBits(this.what))
      this.#code.set(value)
      if (index < 0) continue
      this.#code.splatBits(NO_INDEX)
      this.#code.set(index)
    }
  }

  /** Every vector of the accumulators, to be put aside and merged with others later. */
  state(): number[] {
    const lanes = this.#lanes.flatMap(({ value, index }) => (index < 0 ? [value] : [value, index]))
    return this.#signs ? [...lanes, this.#signs.nan, this.#signs.sign] : lanes
  }

  /** Folds in the state of accumulators that saw the elements after these; `load` pushes one of its vectors. */
  mergeState(load: (vector: number) => void): void {
    const code = this.#code
    const other: Indexed = { value: code.allocate(V128), index: isArg(this.what) ? code.allocate(V128) : -1 }
    let vector = 0
    for (const lane of this.#lanes) {
      load(vector++)
      code.set(other.value)
      if (other.index >= 0) {
        load(vector++)
        code.set(other.index)
      }
      this.#merge(lane, other)
    }
    code.release(other.value)
    if (other.index >= 0) code.release(other.index)
    if (this.#signs) this.#mergeSigns(this.#signs, load, vector)
  }

  #mergeSigns(
    signs: { readonly nan: number; readonly sign: number },
    load: (vector: number) => void,
    first: number,
  ): void {
    for (const [k, field] of (['nan', 'sign'] as const).entries()) {
      this.#code.get(signs[field])
      load(first + k)
      this.#code.simd(field === 'sign' && this.what.kind === 'max' ? 'and' : 'or')
      this.#code.set(signs[field])
    }
  }

  /** Forgets everything folded so far. */
  clear(): void {
    this.#clear(this.#lanes)
    this.#clear(this.#totals)
    if (this.#signs) this.#clearSigns(this.#signs)
  }

  startBlock(): void {
    if (this.#totals.length > 0) this.#clear(this.#lanes)
  }

  endBlock(): void {
    this.#totals.forEach((total, k) => {
      this.#code.get(this.#lanes[k].value)
      foldInto(this.#code, this.what, total.value)
    })
  }

  /** Folds a vector of elements at a position into accumulator `k`; lanes past the end count as the identity. */
  fold(value: number, k: number, position: Position): void {
    if (isArg(this.what)) return this.#foldIndexed(value, k, position)
    const code = this.#code
    code.get(value)
    if (position.lanes < 4) {
      code.splatBits(identityBits(this.what))
      pushLaneMask(code, position.lanes)
      code.simd('bitselect')
    }
    if (this.#signs) this.#foldExtremum(this.#signs, this.#lanes[k].value)
    else foldInto(code, this.what, this.#lanes[k].value)
  }

  /**
   * `f32x4.max` takes about nine instructions on x86 for the sake of NaN and -0; a plain comparison, an "or" of NaN
   * masks and an "and" (for min "or") of sign bits take four and give the same bits in the end.
   */
  #foldExtremum({ nan, sign }: { readonly nan: number; readonly sign: number }, lane: number): void {
    const code = this.#code
    const value = code.allocate(V128)
    code.set(value)
    code.get(lane)
    code.get(value)
    code.simd(this.what.kind === 'max' ? 'f32PMax' : 'f32PMin')
    code.set(lane)
    code.get(nan)
    code.get(value)
    code.get(value)
    code.simd('f32Ne')
    code.simd('or')
    code.set(nan)
    code.get(sign)
    code.get(value)
    code.simd(this.what.kind === 'max' ? 'and' : 'or')
    code.set(sign)
    code.release(value)
  }

  #foldIndexed(value: number, k: number, position: Position): void {
    const code = this.#code
    const candidate = { value: code.allocate(V128), index: code.allocate(V128) }
    const partial = position.lanes < 4
    code.get(value)
    if (partial) {
      code.splatBits(identityBits(this.what))
      pushLaneMask(code, position.lanes)
      code.simd('bitselect')
    }
    code.set(candidate.value)
    const [{ local, constant }] = position.coordinates
    if (local === undefined) code.i32(constant)
    else {
      code.get(local)
      code.intWith('add', constant)
    }
    code.simd('i32Splat')
    code.words(0, 1, 2, 3)
    code.simd('i32Add')
    if (partial) {
      code.splatBits(NO_INDEX)
      pushLaneMask(code, position.lanes)
      code.simd('bitselect')
    }
    code.set(candidate.index)
    foldIndexed(code, this.what, this.#lanes[k], candidate)
    code.release(candidate.value)
    code.release(candidate.index)
  }

  /** Lane l with l+8, then +4, +2, +1; the result in all lanes of a local of `owner`. */
  finish(owner: Scope): number {
    const code = this.#code
    const lanes = this.#totals.length > 0 ? this.#totals : this.#lanes
    for (const [to, from] of [
      [0, 2],
      [1, 3],
      [0, 1],
    ] as const)
      if (lanes[from]) this.#merge(lanes[to], lanes[from])
    const moved = { value: code.allocate(V128), index: isArg(this.what) ? code.allocate(V128) : -1 }
    for (const order of [
      [2, 3, 0, 1],
      [1, 0, 3, 2],
    ] as const) {
      this.#shuffle(lanes[0].value, moved.value, order)
      if (moved.index >= 0) this.#shuffle(lanes[0].index, moved.index, order)
      this.#merge(lanes[0], moved)
    }
    const result = owner.own(V128)
    if (this.#signs) {
      this.#mergeLanes(this.#signs.nan, moved.value, 'or')
      this.#mergeLanes(this.#signs.sign, moved.value, this.what.kind === 'max' ? 'and' : 'or')
    }
    this.#shuffle(isArg(this.what) ? lanes[0].index : lanes[0].value, result, [0, 0, 0, 0])
    if (this.#signs) this.#finishExtremum(this.#signs, result)
    code.release(moved.value)
    if (moved.index >= 0) code.release(moved.index)
    return result
  }

  #mergeLanes(local: number, moved: number, op: 'and' | 'or'): void {
    for (const order of [
      [2, 3, 0, 1],
      [1, 0, 3, 2],
    ] as const) {
      this.#shuffle(local, moved, order)
      this.#code.get(local)
      this.#code.get(moved)
      this.#code.simd(op)
      this.#code.set(local)
    }
  }

  /** A zero gets the sign that all elements (max) or any element (min) had; NaN wins. */
  #finishExtremum({ nan, sign }: { readonly nan: number; readonly sign: number }, result: number): void {
    const code = this.#code
    code.get(sign)
    code.splatBits(0x80000000)
    code.simd('and')
    code.get(result)
    code.get(result)
    code.splatBits(0)
    code.simd('f32Eq')
    code.simd('bitselect')
    code.get(nan)
    code.simd('or')
    code.set(result)
  }

  #merge(to: Indexed, from: Indexed): void {
    if (isArg(this.what)) return foldIndexed(this.#code, this.what, to, from)
    this.#code.get(to.value)
    this.#code.get(from.value)
    if (this.#signs) this.#code.simd(this.what.kind === 'max' ? 'f32PMax' : 'f32PMin')
    else pushFolded(this.#code, this.what)
    this.#code.set(to.value)
  }

  #shuffle(from: number, to: number, order: readonly [number, number, number, number]): void {
    this.#code.get(from)
    this.#code.get(from)
    this.#code.shuffleWords(...order)
    this.#code.set(to)
  }

  release(): void {
    for (const { value, index } of [...this.#lanes, ...this.#totals]) {
      this.#code.release(value)
      if (index >= 0) this.#code.release(index)
    }
    if (!this.#signs) return
    this.#code.release(this.#signs.nan)
    this.#code.release(this.#signs.sign)
  }
}

function pushLaneMask(code: Code, lanes: number): void {
  code.words(-1, lanes > 1 ? -1 : 0, lanes > 2 ? -1 : 0, 0)
}
