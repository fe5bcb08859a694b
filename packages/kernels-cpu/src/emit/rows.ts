/**
 * The usual kernel: a row at a time, vectors along the inner axis. A work item is a row, or a block of a row where rows
 * are long and nothing is reduced.
 */
import { dtypeBytes, REDUCE_BLOCK, type FusedStep } from '@tarazed/tensor'
import { Code, I32, V128, type Label } from '../wasm/code.js'
import { analyse } from './analyse.js'
import { chooseCached, type RowCache } from './rowCache.js'
import { BEGIN, DESC, END, pointerKey, SINGLE, type KernelContext, type Pointer, type Position } from './context.js'
import { rowPointerKey, storeValue } from './memory.js'
import { argumentsOf, argumentsOfStore } from './rewrite.js'
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
  type ReduceExpr,
} from './reductions.js'
import { Scope } from './scope.js'
import { defineValue, pushScalar } from './values.js'

/** A finished kernel function with what the driver needs to cut it into pieces. */
export interface Kernel {
  readonly body: Uint8Array
  readonly items: number
  readonly itemNanoseconds: number
  readonly scratchBytes: number
}

/** Elements of a block of a long row: small enough to balance, long enough to hide the cost of an item. */
const BLOCK = 4096

export function emitRows(step: FusedStep, relaxed: boolean): Kernel {
  const blocked = step.phases === 0 && step.inner > 2 * BLOCK
  const cache = chooseCached(step, analyse(step))
  const context = makeContext(step, relaxed)
  const emitter = new RowEmitter(context, blocked, cache)
  const body = emitter.emit()
  const rows = step.outer.reduce((product, extent) => product * extent, 1)
  const items = blocked ? rows * Math.ceil(step.inner / BLOCK) : rows
  const elements = blocked ? BLOCK : step.inner
  return { body, items, itemNanoseconds: estimate(context, elements), scratchBytes: cache.bytes }
}

function makeContext(step: FusedStep, relaxed: boolean): KernelContext {
  const code = new Code(4)
  return {
    code,
    step,
    analysis: analyse(step),
    vectorAxis: step.outer.length,
    relaxed,
    bases: step.operands.map(() => code.allocate(I32)),
    pointers: new Map(),
    rowPointers: new Map(),
    outerIndex: step.outer.map(() => code.allocate(I32)),
  }
}

/** Nanoseconds of a row on one thread, from its vector instructions and its bytes. */
function estimate(context: KernelContext, elements: number): number {
  const { step, analysis } = context
  let bytes = 0
  let instructions = 0
  step.exprs.forEach((expr, id) => {
    if (analysis.place[id] !== 'element') return
    instructions += 1
    if (expr.op === 'load') bytes += dtypeBytes(expr.dtype)
  })
  for (const store of step.stores) if (store.level === 'element') bytes += 2 * dtypeBytes(store.dtype)
  return 10 + elements * (instructions * 0.1 + bytes * 0.08)
}

class RowEmitter {
  readonly #code: Code
  readonly #step: FusedStep
  readonly #callScope: Scope

  constructor(
    readonly context: KernelContext,
    readonly blocked: boolean,
    readonly cache: RowCache,
  ) {
    this.#code = context.code
    this.#step = context.step
    this.#callScope = new Scope(context, SINGLE)
  }

  emit(): Uint8Array {
    this.#loadBases()
    this.#makePointers()
    this.#setPointers((pointer) => !this.#movesInOuter(pointer))
    this.#defineForUsers(this.#callScope, (id) => this.context.analysis.place[id] === 'call')
    this.#emitItems()
    return this.#code.finish()
  }

  #loadBases(): void {
    this.context.bases.forEach((base, operand) => {
      this.#code.get(DESC)
      this.#code.i32Load(4 * operand)
      this.#code.set(base)
    })
  }

  #makePointers(): void {
    const add = (operand: number, dtype: Parameters<typeof dtypeBytes>[0], access: Pointer['access']) => {
      const key = pointerKey(operand, dtype, access)
      if (this.context.pointers.has(key)) return
      const local = this.#code.allocate(I32)
      this.context.pointers.set(key, { local, operand, bytes: dtypeBytes(dtype), access })
    }
    for (const expr of this.#step.exprs) if (expr.op === 'load') add(expr.operand, expr.dtype, expr.access)
    for (const store of this.#step.stores) add(store.operand, store.dtype, store.access)
  }

  #movesInOuter(pointer: Pointer): boolean {
    return this.#step.outer.some((_, axis) => pointer.access.strides[axis] !== 0)
  }

  /** pointer = base + (offset + Σ stride · index) · bytes over the outer axes. */
  #setPointers(which: (pointer: Pointer) => boolean): void {
    const code = this.#code
    for (const pointer of this.context.pointers.values()) {
      if (!which(pointer)) continue
      code.get(this.context.bases[pointer.operand])
      code.intWith('add', (pointer.access.offset * pointer.bytes) | 0)
      this.#step.outer.forEach((_, axis) => {
        const stride = pointer.access.strides[axis] * pointer.bytes
        if (stride === 0) return
        code.get(this.context.outerIndex[axis]!) // made for every outer axis
        code.intWith('mul', stride | 0)
        code.int('add')
      })
      code.set(pointer.local)
    }
  }

  /** Computes, in this scope, the chosen values that something outside the choice reads. */
  #defineForUsers(scope: Scope, chosen: (id: number) => boolean): void {
    const roots = new Set<number>()
    this.#step.exprs.forEach((expr, id) => {
      if (!chosen(id)) for (const argument of argumentsOf(expr)) if (chosen(argument)) roots.add(argument)
    })
    for (const store of this.#step.stores) for (const id of argumentsOfStore(store)) if (chosen(id)) roots.add(id)
    // Constants live in locals of the whole function anyway.
    const wanted = [...roots].filter((id) => !scope.find(id) && this.#step.exprs[id].op !== 'const')
    const ordered = wanted.sort((a, b) => a - b)
    scope.expect(ordered)
    for (const id of ordered) defineValue(scope, id)
  }

  /** Decodes the first item, then walks the items, odometer in hand. */
  #emitItems(): void {
    const code = this.#code
    const exit = code.block()
    code.get(BEGIN)
    code.get(END)
    code.int('geU')
    code.branchIf(exit)
    const item = code.allocate(I32)
    code.get(BEGIN)
    code.set(item)
    const block = this.blocked ? code.allocate(I32) : undefined
    this.#decode(item, block)
    this.#setPointers((pointer) => this.#movesInOuter(pointer))
    const again = code.loop()
    this.#emitRow(block)
    code.get(item)
    code.i32(1)
    code.int('add')
    code.tee(item)
    code.get(END)
    code.int('geU')
    code.branchIf(exit)
    this.#advance(block)
    code.branch(again)
    code.end()
    code.end()
  }

  #blocksPerRow(): number {
    return Math.ceil(this.#step.inner / BLOCK)
  }

  #decode(item: number, block: number | undefined): void {
    const code = this.#code
    const rest = code.allocate(I32)
    code.get(item)
    code.set(rest)
    const take = (local: number, extent: number, last: boolean) => {
      code.get(rest)
      if (!last) {
        code.i32(extent)
        code.int('remU')
      }
      code.set(local)
      if (last) return
      code.get(rest)
      code.i32(extent)
      code.int('divU')
      code.set(rest)
    }
    const { outer } = this.#step
    if (block !== undefined) take(block, this.#blocksPerRow(), outer.length === 0)
    for (let axis = outer.length - 1; axis >= 0; axis--) take(this.context.outerIndex[axis]!, outer[axis], axis === 0)
    code.release(rest)
  }

  /** Next item: the block or the last axis moves by one; carries recompute the pointers. */
  #advance(block: number | undefined): void {
    const code = this.#code
    const { outer } = this.#step
    const done = code.block()
    if (block !== undefined) this.#increment(block, this.#blocksPerRow(), outer.length === 0, done, () => {})
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      const local = this.context.outerIndex[axis]! // made for every outer axis
      const first = axis === outer.length - 1
      this.#increment(local, outer[axis], axis === 0, done, () =>
        first ? this.#stepPointers(axis) : this.#setPointers((pointer) => this.#movesInOuter(pointer)),
      )
    }
    code.end()
  }

  /** local += 1; below the extent: run `moved` and leave; else local = 0 and fall through to the next axis. */
  #increment(local: number, extent: number, last: boolean, done: Label, moved: () => void): void {
    const code = this.#code
    code.get(local)
    code.i32(1)
    code.int('add')
    code.set(local)
    if (last) return moved()
    code.get(local)
    code.i32(extent)
    code.int('ltU')
    code.if()
    moved()
    code.branch(done)
    code.end()
    code.i32(0)
    code.set(local)
  }

  #stepPointers(axis: number): void {
    for (const pointer of this.context.pointers.values()) {
      const stride = pointer.access.strides[axis] * pointer.bytes
      if (stride === 0) continue
      this.#code.get(pointer.local)
      this.#code.intWith('add', stride | 0)
      this.#code.set(pointer.local)
    }
  }

  #emitRow(block: number | undefined): void {
    const row = new Scope(this.context, SINGLE, this.#callScope)
    this.#rowValues(row, 0)
    for (let phase = 0; phase < this.#step.phases; phase++) {
      new ReducePass(this.context, this.cache, row, phase).emit()
      this.#rowValues(row, phase + 1)
    }
    this.#elementStores(row, block)
    for (const store of this.#step.stores) {
      if (store.level === 'row') storeValue(row, store, defineValue(row, store.value))
    }
    row.close()
    for (const pointer of this.context.rowPointers.values()) this.#code.release(pointer)
    this.context.rowPointers.clear()
  }

  /** Row values that phase `ready` completed, and pointers whose gathered terms they complete. */
  #rowValues(row: Scope, ready: number): void {
    const { analysis } = this.context
    this.#defineForUsers(
      row,
      (id) => analysis.place[id] === 'row' && analysis.ready[id] === ready && this.#step.exprs[id].op !== 'reduce',
    )
    const add = (operand: number, dtype: Parameters<typeof dtypeBytes>[0], access: Pointer['access']) => {
      if (access.gathered.length === 0 || access.strides[this.context.vectorAxis] === 0) return
      const terms = access.gathered.map((term) => term.expr)
      if (terms.some((id) => analysis.place[id] === 'element')) return
      const key = rowPointerKey(operand, dtype, access)
      if (Math.max(...terms.map((id) => analysis.ready[id])) !== ready || this.context.rowPointers.has(key)) return
      this.#addRowPointer(row, key, operand, dtype, access)
    }
    for (const expr of this.#step.exprs) if (expr.op === 'load') add(expr.operand, expr.dtype, expr.access)
    for (const store of this.#step.stores) add(store.operand, store.dtype, store.access)
  }

  #addRowPointer(
    row: Scope,
    key: string,
    operand: number,
    dtype: Parameters<typeof dtypeBytes>[0],
    access: Pointer['access'],
  ): void {
    const code = this.#code
    code.get(this.context.pointers.get(pointerKey(operand, dtype, access))!.local) // made for every access
    for (const term of access.gathered) {
      pushScalar(row, term.expr)
      code.intWith('mul', term.stride * dtypeBytes(dtype))
      code.int('add')
    }
    const local = code.allocate(I32)
    code.set(local)
    this.context.rowPointers.set(key, local)
  }

  #elementStores(row: Scope, block: number | undefined): void {
    const stores = this.#step.stores.filter((store) => store.level === 'element')
    if (stores.length === 0) return
    const roots = [...new Set(stores.flatMap((store) => argumentsOfStore(store)))].sort((a, b) => a - b)
    const body = (position: Position) => {
      const scope = this.cache.openScope(row, position, this.#step.phases)
      scope.expect(roots)
      // All values first: a store may overwrite what another one reads.
      for (const id of roots) defineValue(scope, id)
      for (const store of stores) storeValue(scope, store, defineValue(scope, store.value))
      scope.close()
    }
    const cost = stores.reduce((sum, store) => sum + this.context.analysis.cost[store.value], 0)
    const unroll = cost > 60 ? 1 : cost > 12 ? 2 : 4
    if (block === undefined) walkRow(this.#code, this.context.vectorAxis, this.#step.inner, unroll, body)
    else walkBlock(this.#code, this.context.vectorAxis, this.#step.inner, block, unroll, body)
  }
}

/** A whole row of known length, `unroll` vectors at a time, then single vectors, then the last lanes. */
function walkRow(code: Code, axis: number, length: number, unroll: number, body: (position: Position) => void): void {
  const group = 4 * unroll
  let done = 0
  if (length >= 2 * group) {
    done = length - (length % group)
    const at = code.allocate(I32)
    code.i32(0)
    code.set(at)
    code.countedLoop(
      at,
      () => code.i32(done),
      group,
      () => {
        for (let k = 0; k < unroll; k++) body(vectorAt(axis, at, 4 * k))
      },
    )
    code.release(at)
  }
  for (; done < length; done += 4) body(vectorAt(axis, undefined, done, Math.min(4, length - done)))
}

function vectorAt(axis: number, local: number | undefined, constant: number, lanes = 4): Position {
  return { lanes, coordinates: [{ axis, local, constant }] }
}

/** Block `block` of a long row; the last block may be shorter. */
function walkBlock(
  code: Code,
  axis: number,
  length: number,
  block: number,
  unroll: number,
  body: (position: Position) => void,
): void {
  const at = code.allocate(I32)
  const limit = code.allocate(I32)
  const end = code.allocate(I32)
  code.get(block)
  code.i32(BLOCK)
  code.int('mul')
  code.tee(at)
  code.i32(BLOCK)
  code.int('add')
  code.tee(end)
  code.i32(length - (length % 4))
  code.get(end)
  code.i32(length)
  code.int('leU')
  code.emit(0x1b)
  code.set(end)
  if (unroll > 1) {
    // Whole groups: at … at + (end - at) rounded down to the group.
    code.get(end)
    code.get(end)
    code.get(at)
    code.int('sub')
    code.i32(4 * unroll - 1)
    code.int('and')
    code.int('sub')
    code.set(limit)
    code.countedLoop(
      at,
      () => code.get(limit),
      4 * unroll,
      () => {
        for (let k = 0; k < unroll; k++) body(vectorAt(axis, at, 4 * k))
      },
    )
  }
  code.countedLoop(
    at,
    () => code.get(end),
    4,
    () => body(vectorAt(axis, at, 0)),
  )
  if (length % 4 !== 0) {
    code.get(block)
    code.i32(Math.ceil(length / BLOCK) - 1)
    code.int('eq')
    code.if()
    body(vectorAt(axis, undefined, length - (length % 4), length % 4))
    code.end()
  }
  for (const local of [at, limit, end]) code.release(local)
}

/** One phase over one row. */
class ReducePass {
  readonly #code: Code
  readonly #reductions: { readonly id: number; readonly fold: Fold; readonly arg: number }[]
  readonly #lanes: Accumulators[] = []

  constructor(
    readonly context: KernelContext,
    readonly cache: RowCache,
    readonly row: Scope,
    readonly phase: number,
  ) {
    this.#code = context.code
    this.#reductions = context.step.exprs.flatMap((expr, id) =>
      expr.op === 'reduce' && expr.phase === phase ? [{ id, arg: expr.arg, fold: foldOf(context.step, expr) }] : [],
    )
  }

  emit(): void {
    const { inner } = this.context.step
    const vectors = Math.min(4, Math.ceil(inner / 4))
    for (const { fold } of this.#reductions)
      this.#lanes.push(new Accumulators(this.#code, fold, vectors, inner > REDUCE_BLOCK))
    const blocks = inner > REDUCE_BLOCK && this.#reductions.some(({ fold }) => isOrdered(fold))
    if (blocks) this.#walkBlocks(inner)
    else this.#walk(inner, 0)
    this.#reductions.forEach(({ id }, k) => this.row.set(id, { local: this.#lanes[k].finish(this.row) }))
    for (const lanes of this.#lanes) lanes.release()
  }

  /** Blocks of 1,024 elements; the last may be shorter, and its last vectors need not fill the sixteen lanes. */
  #walkBlocks(inner: number): void {
    const code = this.#code
    const full = inner - (inner % REDUCE_BLOCK)
    const at = code.allocate(I32)
    const end = code.allocate(I32)
    code.i32(0)
    code.set(at)
    code.countedLoop(
      at,
      () => code.i32(full),
      0,
      () => {
        for (const lanes of this.#lanes) lanes.startBlock()
        code.get(at)
        code.i32(REDUCE_BLOCK)
        code.int('add')
        code.set(end)
        code.countedLoop(
          at,
          () => code.get(end),
          16,
          () => this.#group(at, 0),
        )
        for (const lanes of this.#lanes) lanes.endBlock()
      },
    )
    code.release(at)
    code.release(end)
    if (full === inner) return
    for (const lanes of this.#lanes) lanes.startBlock()
    this.#walk(inner - full, full)
    for (const lanes of this.#lanes) lanes.endBlock()
  }

  /** `length` elements from `start` on, both known. */
  #walk(length: number, start: number): void {
    const code = this.#code
    let done = 0
    if (length >= 32) {
      done = length - (length % 16)
      const at = code.allocate(I32)
      code.i32(start)
      code.set(at)
      code.countedLoop(
        at,
        () => code.i32(start + done),
        16,
        () => this.#group(at, 0),
      )
      code.release(at)
    }
    for (; done < length; done += 4)
      this.#vector(
        vectorAt(this.context.vectorAxis, undefined, start + done, Math.min(4, length - done)),
        (done >> 2) & 3,
      )
  }

  #group(at: number, constant: number): void {
    for (let k = 0; k < 4; k++) this.#vector(vectorAt(this.context.vectorAxis, at, constant + 4 * k), k)
  }

  #vector(position: Position, accumulator: number): void {
    const scope = this.cache.openScope(this.row, position, this.phase)
    const written = this.cache.writtenIn(this.phase)
    const roots = [...new Set([...written, ...this.#reductions.map(({ arg }) => arg)])].sort((a, b) => a - b)
    scope.expect(roots)
    for (const id of written) this.cache.write(scope, id, defineValue(scope, id))
    this.#reductions.forEach(({ arg }, k) => this.#lanes[k].fold(defineValue(scope, arg), accumulator, position))
    scope.close()
  }
}

function foldOf(step: FusedStep, expr: ReduceExpr): Fold {
  return { kind: expr.kind, type: step.exprs[expr.arg].type }
}

/** Up to four vectors of accumulators (and four of totals where blocks are summed apart). */
class Accumulators {
  readonly #code: Code
  readonly #lanes: Indexed[]
  readonly #totals: Indexed[]

  constructor(
    code: Code,
    readonly fold_: Fold,
    vectors: number,
    long: boolean,
  ) {
    this.#code = code
    const make = (): Indexed => ({ value: code.allocate(V128), index: isArg(fold_) ? code.allocate(V128) : -1 })
    const count = Math.max(1, vectors)
    this.#lanes = Array.from({ length: count }, make)
    this.#totals = long && isOrdered(fold_) ? Array.from({ length: count }, make) : []
    this.#clear(this.#lanes)
    this.#clear(this.#totals)
  }

  #clear(lanes: readonly Indexed[]): void {
    for (const { value, index } of lanes) {
      this.#code.splatBits(identityBits(this.fold_))
      this.#code.set(value)
      if (index < 0) continue
      this.#code.splatBits(NO_INDEX)
      this.#code.set(index)
    }
  }

  startBlock(): void {
    if (this.#totals.length > 0) this.#clear(this.#lanes)
  }

  endBlock(): void {
    this.#totals.forEach((total, k) => {
      this.#code.get(this.#lanes[k].value)
      foldInto(this.#code, this.fold_, total.value)
    })
  }

  /** Folds a vector of elements at a position into accumulator `k`; lanes past the end count as the identity. */
  fold(value: number, k: number, position: Position): void {
    if (isArg(this.fold_)) return this.#foldIndexed(value, k, position)
    const code = this.#code
    code.get(value)
    if (position.lanes < 4) {
      code.splatBits(identityBits(this.fold_))
      pushLaneMask(code, position.lanes)
      code.simd('bitselect')
    }
    foldInto(code, this.fold_, this.#lanes[k].value)
  }

  #foldIndexed(value: number, k: number, position: Position): void {
    const code = this.#code
    const candidate = { value: code.allocate(V128), index: code.allocate(V128) }
    const partial = position.lanes < 4
    code.get(value)
    if (partial) {
      code.splatBits(identityBits(this.fold_))
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
    foldIndexed(code, this.fold_, this.#lanes[k], candidate)
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
    const moved = { value: code.allocate(V128), index: isArg(this.fold_) ? code.allocate(V128) : -1 }
    for (const order of [
      [2, 3, 0, 1],
      [1, 0, 3, 2],
    ] as const) {
      this.#shuffle(lanes[0].value, moved.value, order)
      if (moved.index >= 0) this.#shuffle(lanes[0].index, moved.index, order)
      this.#merge(lanes[0], moved)
    }
    const result = owner.own(V128)
    this.#shuffle(isArg(this.fold_) ? lanes[0].index : lanes[0].value, result, [0, 0, 0, 0])
    code.release(moved.value)
    if (moved.index >= 0) code.release(moved.index)
    return result
  }

  #merge(to: Indexed, from: Indexed): void {
    if (isArg(this.fold_)) return foldIndexed(this.#code, this.fold_, to, from)
    this.#code.get(to.value)
    this.#code.get(from.value)
    pushFolded(this.#code, this.fold_)
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
  }
}

function pushLaneMask(code: Code, lanes: number): void {
  code.words(-1, lanes > 1 ? -1 : 0, lanes > 2 ? -1 : 0, 0)
}
