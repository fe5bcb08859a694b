/** The pieces that a row is made of, vectors along the inner axis: row values, reduction phases, stores. */
import { dtypeBytes, type Access, type DType, type FusedStep } from '@tarazed/tensor'
import { I32, type Code } from '../wasm/code.js'
import { pointerKey, SINGLE, type KernelContext, type Position } from './context.js'
import { defineForUsers, elementStoreRoots } from './definitions.js'
import { rowPointerKey, storeValue } from './memory.js'
import { ReducePass } from './reducePass.js'
import type { RowCache } from './rowCache.js'
import { Scope } from './scope.js'
import { Streams } from './streams.js'
import { defineValue, pushScalar } from './values.js'
import { walkBlock, walkKnown } from './walk.js'

export class RowParts {
  readonly #code: Code
  readonly #step: FusedStep
  readonly #callScope: Scope
  readonly #streams: Streams

  constructor(
    readonly context: KernelContext,
    readonly cache: RowCache,
  ) {
    this.#code = context.code
    this.#step = context.step
    this.#callScope = new Scope(context, SINGLE)
    this.#streams = new Streams(context)
  }

  /** Values that no coordinate changes, at the start of the function. */
  callValues(): void {
    defineForUsers(this.#callScope, (id) => this.context.analysis.place[id] === 'call')
  }

  open(): Scope {
    return new Scope(this.context, SINGLE, this.#callScope)
  }

  pass(row: Scope, phase: number): ReducePass {
    return new ReducePass(this.context, this.cache, row, phase, this.#streams)
  }

  /** Row values that phase `ready` completed, and pointers whose gathered terms they complete. */
  values(row: Scope, ready: number): void {
    const { analysis } = this.context
    defineForUsers(
      row,
      (id) => analysis.place[id] === 'row' && analysis.ready[id] === ready && this.#step.exprs[id].op !== 'reduce',
    )
    const add = (operand: number, dtype: DType, access: Access) => {
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

  #addRowPointer(row: Scope, key: string, operand: number, dtype: DType, access: Access): void {
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

  elementStores(row: Scope, block: number | undefined): void {
    const stores = this.#step.stores.filter((store) => store.level === 'element')
    if (stores.length === 0) return
    const roots = elementStoreRoots(this.context)
    let uses: ReadonlyMap<number, number> | undefined
    const body = (position: Position) => {
      const scope = this.cache.openScope(row, position, this.#step.phases)
      uses = scope.expect(roots, uses)
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

  rowStores(row: Scope): void {
    for (const store of this.#step.stores) {
      if (store.level === 'row') storeValue(row, store, defineValue(row, store.value))
    }
  }

  /** Gives the row's locals back. */
  close(row: Scope): void {
    row.close()
    for (const pointer of this.context.rowPointers.values()) this.#code.release(pointer)
    this.context.rowPointers.clear()
  }
}
