/** The outermost loop of a kernel: work items as coordinates on the outer axes, and the pointers that follow them. */
import { dtypeBytes, type Access, type DType } from '@tarazed/tensor'
import { I32, type Code, type Label } from '../wasm/code.js'
import { BEGIN, DESC, END, pointerKey, type KernelContext, type Pointer } from './context.js'

export class ItemLoop {
  readonly #code: Code

  /**
   * @param axes outer axes that items walk, in order; pointers contain the coordinates on these
   * @param blocks pieces that an item of the axes is cut into; the innermost coordinate of an item
   */
  constructor(
    readonly context: KernelContext,
    readonly axes: readonly number[],
    readonly blocks?: number,
  ) {
    this.#code = context.code
  }

  /** Operand addresses, and the pointers that no item moves. */
  begin(): void {
    this.context.bases.forEach((base, operand) => {
      this.#code.get(DESC)
      this.#code.i32Load(4 * operand)
      this.#code.set(base)
    })
    this.#makePointers()
    this.#setPointers((pointer) => !this.#moves(pointer))
  }

  /** Decodes the first item, then runs `body` for one item after the other, odometer in hand. */
  run(body: (block: number | undefined) => void): void {
    const code = this.#code
    const exit = code.block()
    code.get(BEGIN)
    code.get(END)
    code.int('geU')
    code.branchIf(exit)
    const item = code.allocate(I32)
    code.get(BEGIN)
    code.set(item)
    const block = this.blocks === undefined ? undefined : code.allocate(I32)
    this.#decode(item, block)
    this.#setPointers((pointer) => this.#moves(pointer))
    const again = code.loop()
    body(block)
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

  #makePointers(): void {
    const { step, pointers } = this.context
    const add = (operand: number, dtype: DType, access: Access) => {
      const key = pointerKey(operand, dtype, access)
      if (pointers.has(key)) return
      pointers.set(key, { local: this.#code.allocate(I32), operand, bytes: dtypeBytes(dtype), access })
    }
    for (const expr of step.exprs) if (expr.op === 'load') add(expr.operand, expr.dtype, expr.access)
    for (const store of step.stores) add(store.operand, store.dtype, store.access)
  }

  #moves(pointer: Pointer): boolean {
    return this.axes.some((axis) => pointer.access.strides[axis] !== 0)
  }

  /** pointer = base + (offset + Σ stride · index) · bytes over the axes of the items. */
  #setPointers(which: (pointer: Pointer) => boolean): void {
    const code = this.#code
    for (const pointer of this.context.pointers.values()) {
      if (!which(pointer)) continue
      code.get(this.context.bases[pointer.operand])
      code.intWith('add', (pointer.access.offset * pointer.bytes) | 0)
      for (const axis of this.axes) {
        const stride = pointer.access.strides[axis] * pointer.bytes
        if (stride === 0) continue
        code.get(this.#index(axis))
        code.intWith('mul', stride | 0)
        code.int('add')
      }
      code.set(pointer.local)
    }
  }

  #index(axis: number): number {
    return this.context.outerIndex[axis]! // made for every axis of the items
  }

  /** Coordinates of an item number, the block first, since it moves fastest. */
  #decode(item: number, block: number | undefined): void {
    const code = this.#code
    const rest = code.allocate(I32)
    code.get(item)
    code.set(rest)
    if (block !== undefined) this.#take(rest, block, this.blocks!, this.axes.length === 0) // blocks made the local
    for (let k = this.axes.length - 1; k >= 0; k--) {
      this.#take(rest, this.#index(this.axes[k]), this.context.step.outer[this.axes[k]], k === 0)
    }
    code.release(rest)
  }

  /** local = rest mod extent, rest = rest / extent; the last coordinate takes what is left. */
  #take(rest: number, local: number, extent: number, last: boolean): void {
    const code = this.#code
    code.get(rest)
    if (last) return code.set(local)
    code.i32(extent)
    code.int('remU')
    code.set(local)
    code.get(rest)
    code.i32(extent)
    code.int('divU')
    code.set(rest)
  }

  /** Next item: the block or the last axis moves by one; carries recompute the pointers. */
  #advance(block: number | undefined): void {
    const { axes } = this
    const done = this.#code.block()
    if (block !== undefined) this.#increment(block, this.blocks!, axes.length === 0, done, () => {}) // as above
    for (let k = axes.length - 1; k >= 0; k--) {
      const moved = () =>
        k === axes.length - 1 ? this.#stepPointers(axes[k]) : this.#setPointers((pointer) => this.#moves(pointer))
      this.#increment(this.#index(axes[k]), this.context.step.outer[axes[k]], k === 0, done, moved)
    }
    this.#code.end()
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
}
