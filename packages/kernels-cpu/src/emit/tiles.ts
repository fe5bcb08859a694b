/**
 * Pointwise kernels in which some operands are contiguous along the inner axis and others along another one (transposes):
 * a work item is a square tile, walked in blocks of 4×4, so that every operand is read in whole vectors and the cache
 * lines of the other direction are used while they are there.
 */
import { dtypeBytes, type Expr, type FusedStep } from '@tarazed/tensor'
import { I32, V128, type Code } from '../wasm/code.js'
import { SINGLE, type KernelContext, type Position } from './context.js'
import { defineForUsers, elementStoreRoots } from './definitions.js'
import { ItemLoop } from './itemLoop.js'
import { estimate, makeContext, oneStage, type Kernel } from './kernelContext.js'
import { loadVector, storeValue } from './memory.js'
import { isPointwise } from './normalise.js'
import { Scope } from './scope.js'
import { defineValue } from './values.js'

/** Edge of a tile: 64 rows of four cache lines are 16 KiB, a third of the first-level cache. */
const EDGE = 64

type LoadExpr = Extract<Expr, { op: 'load' }>

/** A load that is contiguous along axis `cross` and not along the inner one. */
function isCrossing(expr: Expr, cross: number, inner: number): expr is LoadExpr {
  if (expr.op !== 'load' || expr.guard !== undefined || expr.access.gathered.length > 0) return false
  const { strides } = expr.access
  return dtypeBytes(expr.dtype) === 4 && strides[cross] === 1 && strides[inner] !== 0 && strides[inner] !== 1
}

/** The axis that a load of the step crosses the inner axis with, if both are long enough for tiles. */
export function crossAxis(step: FusedStep): number | undefined {
  const inner = step.outer.length
  if (!isPointwise(step) || step.inner < 8) return undefined
  let best: number | undefined
  let most = 0
  step.outer.forEach((extent, axis) => {
    const count = step.exprs.filter((expr) => isCrossing(expr, axis, inner)).length
    if (extent < 8 || count <= most) return
    best = axis
    most = count
  })
  return best
}

export function emitTiles(step: FusedStep, relaxed: boolean, cross: number): Kernel {
  const context = makeContext(step, relaxed, step.outer.length)
  const emitter = new TileEmitter(context, cross)
  const others = step.outer.reduce((product, extent, axis) => (axis === cross ? product : product * extent), 1)
  const body = emitter.emit()
  const edge = Math.min(EDGE, step.inner) * Math.min(EDGE, step.outer[cross])
  return oneStage(body, others * emitter.tiles, 2 * estimate(context, edge), 0)
}

class TileEmitter {
  readonly tiles: number
  readonly #code: Code
  readonly #step: FusedStep
  readonly #callScope: Scope
  readonly #crossing: number[]
  readonly #roots: number[]
  readonly #row: number
  readonly #rowEnd: number
  readonly #column: number
  readonly #columnFirst: number
  readonly #columnEnd: number

  constructor(
    readonly context: KernelContext,
    readonly cross: number,
  ) {
    const { code, step } = context
    this.#code = code
    this.#step = step
    this.#callScope = new Scope(context, SINGLE)
    this.#crossing = step.exprs.flatMap((expr, id) => (isCrossing(expr, cross, step.outer.length) ? [id] : []))
    this.#roots = elementStoreRoots(context)
    this.tiles = Math.ceil(step.outer[cross] / EDGE) * this.#tilesAcross
    this.#row = code.allocate(I32)
    this.#rowEnd = code.allocate(I32)
    this.#column = code.allocate(I32)
    this.#columnFirst = code.allocate(I32)
    this.#columnEnd = code.allocate(I32)
  }

  get #tilesAcross(): number {
    return Math.ceil(this.#step.inner / EDGE)
  }

  emit(): Uint8Array {
    const axes = this.#step.outer.map((_, axis) => axis).filter((axis) => axis !== this.cross)
    const items = new ItemLoop(this.context, axes, this.tiles)
    items.begin()
    defineForUsers(this.#callScope, (id) => this.context.analysis.place[id] === 'call')
    items.run((tile) => this.#emitTile(tile!)) // there are blocks
    return this.#code.finish()
  }

  #emitTile(tile: number): void {
    const code = this.#code
    this.#startTile(tile)
    const groupEnd = code.allocate(I32)
    // Rows in groups of four, then one by one.
    code.get(this.#rowEnd)
    code.i32(-4)
    code.int('and')
    code.set(groupEnd)
    code.countedLoop(
      this.#row,
      () => code.get(groupEnd),
      4,
      () => this.#rows(4),
    )
    code.countedLoop(
      this.#row,
      () => code.get(this.#rowEnd),
      1,
      () => this.#rows(1),
    )
    code.release(groupEnd)
  }

  /** Tiles start at multiples of EDGE, so that only the last ones are cut. */
  #startTile(tile: number): void {
    const code = this.#code
    const start = (local: number, op: 'divU' | 'remU') => {
      code.get(tile)
      code.i32(this.#tilesAcross)
      code.int(op)
      code.intWith('mul', EDGE)
      code.set(local)
    }
    start(this.#row, 'divU')
    start(this.#columnFirst, 'remU')
    this.#setEnd(this.#rowEnd, this.#row, this.#step.outer[this.cross])
    this.#setEnd(this.#columnEnd, this.#columnFirst, this.#step.inner)
  }

  /** end = min(start + EDGE, extent) */
  #setEnd(end: number, start: number, extent: number): void {
    const code = this.#code
    code.get(start)
    code.i32(EDGE)
    code.int('add')
    code.tee(end)
    code.i32(extent)
    code.get(end)
    code.i32(extent)
    code.int('ltU')
    code.emit(0x1b) // select
    code.set(end)
  }

  #rows(count: number): void {
    const code = this.#code
    const rows = Array.from({ length: count }, (_, k) => this.#openRow(k))
    const vectorEnd = code.allocate(I32)
    code.get(this.#columnEnd)
    code.i32(-4)
    code.int('and')
    code.set(vectorEnd)
    code.get(this.#columnFirst)
    code.set(this.#column)
    code.countedLoop(
      this.#column,
      () => code.get(vectorEnd),
      4,
      () => (count === 4 ? this.#block(rows) : this.#vector(rows[0], 0, 4)),
    )
    const rest = this.#step.inner % 4
    if (rest > 0) {
      code.get(this.#column)
      code.get(this.#columnEnd)
      code.int('ltU')
      code.if()
      rows.forEach((row, k) => this.#vector(row, k, rest))
      code.end()
    }
    for (const row of rows) row.close()
    code.release(vectorEnd)
  }

  #openRow(k: number): Scope {
    const position = { lanes: 4, coordinates: [{ axis: this.cross, local: this.#row, constant: k }] }
    const row = new Scope(this.context, position, this.#callScope)
    defineForUsers(row, (id) => this.context.analysis.place[id] === 'row')
    return row
  }

  #position(k: number, lanes: number): Position {
    const { cross } = this
    return {
      lanes,
      coordinates: [
        { axis: this.#step.outer.length, local: this.#column, constant: 0 },
        { axis: cross, local: this.#row, constant: k },
      ],
    }
  }

  /** Four rows by four columns: crossing operands are read as four vectors down the rows and transposed. */
  #block(rows: readonly Scope[]): void {
    const transposed = new Map(this.#crossing.map((id) => [id, this.#transposed(id)]))
    rows.forEach((row, k) => this.#vector(row, k, 4, transposed))
    for (const locals of transposed.values()) for (const local of locals) this.#code.release(local)
  }

  #vector(row: Scope, k: number, lanes: number, transposed?: ReadonlyMap<number, readonly number[]>): void {
    const scope = new Scope(this.context, this.#position(k, lanes), row)
    if (transposed) for (const [id, locals] of transposed) scope.set(id, { local: locals[k] })
    scope.expect(this.#roots)
    // All values first: a store may overwrite what another one reads.
    for (const id of this.#roots) defineValue(scope, id)
    for (const store of this.#step.stores) storeValue(scope, store, defineValue(scope, store.value))
    scope.close()
  }

  /** The operand's 4×4 block as one vector for each row. */
  #transposed(id: number): number[] {
    const code = this.#code
    const expr = this.#step.exprs[id] as LoadExpr // chosen by isCrossing
    const [a, b, c, d] = [0, 1, 2, 3].map((column) => {
      const coordinates = [
        { axis: this.#step.outer.length, local: this.#column, constant: column },
        { axis: this.cross, local: this.#row, constant: 0 },
      ]
      loadVector(this.context, expr, { lanes: 4, coordinates })
      const local = code.allocate(V128)
      code.set(local)
      return local
    })
    const mix = (left: number, right: number, lanes: readonly [number, number, number, number]): number => {
      const local = code.allocate(V128)
      code.get(left)
      code.get(right)
      code.shuffleWords(...lanes)
      code.set(local)
      return local
    }
    const low = [mix(a, b, [0, 4, 1, 5]), mix(c, d, [0, 4, 1, 5])] as const
    const high = [mix(a, b, [2, 6, 3, 7]), mix(c, d, [2, 6, 3, 7])] as const
    const rows = [low, high].flatMap((pair) => [mix(...pair, [0, 1, 4, 5]), mix(...pair, [2, 3, 6, 7])])
    for (const local of [a, b, c, d, ...low, ...high]) code.release(local)
    return rows
  }
}
