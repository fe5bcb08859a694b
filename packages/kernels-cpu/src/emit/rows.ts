/**
 * The usual kernel: a row at a time, vectors along the inner axis. A work item is a row, or a block of a row where rows
 * are long and nothing is reduced.
 */
import { dtypeBytes, type FusedStep } from '@tarazed/tensor'
import { Code, I32, type Label } from '../wasm/code.js'
import { analyse } from './analyse.js'
import { BEGIN, DESC, END, pointerKey, SINGLE, type KernelContext, type Pointer, type Position } from './context.js'
import { rowPointerKey, storeValue } from './memory.js'
import { ReducePass } from './reducePass.js'
import { argumentsOf, argumentsOfStore } from './rewrite.js'
import { chooseCached, type RowCache } from './rowCache.js'
import { Scope } from './scope.js'
import { Streams } from './streams.js'
import { defineValue, pushScalar } from './values.js'
import { BLOCK, walkBlock, walkKnown } from './walk.js'

/** A finished kernel function with what the driver needs to cut it into pieces. */
export interface Kernel {
  readonly body: Uint8Array
  readonly items: number
  readonly itemNanoseconds: number
  readonly scratchBytes: number
}

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
  readonly #streams: Streams

  constructor(
    readonly context: KernelContext,
    readonly blocked: boolean,
    readonly cache: RowCache,
  ) {
    this.#code = context.code
    this.#step = context.step
    this.#callScope = new Scope(context, SINGLE)
    this.#streams = new Streams(context)
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
      new ReducePass(this.context, this.cache, row, phase, this.#streams).emit()
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
    const streams = this.#streams.take(roots, this.#step.phases)
    const walk = { code: this.#code, axis: this.context.vectorAxis, unroll, streams, body }
    if (block === undefined) walkKnown(walk, 0, this.#step.inner)
    else walkBlock(walk, this.#step.inner, block)
  }
}
