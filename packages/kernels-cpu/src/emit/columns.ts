/**
 * Kernels for rows whose elements lie apart in memory while neighbouring rows lie side by side (a sum over axis 0): the
 * lanes of a vector are neighbouring rows. A work item is a tile of such rows, called columns here; it walks the inner
 * axis once a phase, a few cache lines of every operand at each step, with accumulators in the thread's scratch.
 */
import { REDUCE_BLOCK, REDUCE_LANES, type FusedStep } from '@tarazed/tensor'
import { I32, V128, type Code } from '../wasm/code.js'
import { isSplat, SCRATCH, SINGLE, type KernelContext, type Position } from './context.js'
import { defineForUsers, elementStoreRoots, rootsOfChoice } from './definitions.js'
import { ItemLoop } from './itemLoop.js'
import { estimate, makeContext, oneStage, type Kernel } from './kernelContext.js'
import { storeValue } from './memory.js'
import {
  foldIndexed,
  identityBits,
  isArg,
  isOrdered,
  NO_INDEX,
  pushFolded,
  type Fold,
  type Indexed,
} from './reductions.js'
import { argumentsOf } from './rewrite.js'
import { Scope } from './scope.js'
import { defineValue } from './values.js'

/** Vectors of a tile at most: four cache lines of f32 from every row of the walk. */
const WIDEST = 16

const SCRATCH_LIMIT = 65536

/** One reduction and where its accumulators lie: byte offsets in the scratch. */
interface ColumnReduction {
  readonly id: number
  readonly arg: number
  readonly phase: number
  readonly fold: Fold
  /** Vectors of accumulators for one vector of columns. */
  readonly lanes: number
  readonly accumulators: number
  /** Where blocks are folded apart. */
  readonly totals?: number
  /** argMax, argMin */
  readonly indices?: number
}

/** The step must have the columns on its last outer axis. */
export function emitColumns(step: FusedStep, relaxed: boolean): Kernel {
  const context = makeContext(step, relaxed, step.outer.length - 1)
  const emitter = new ColumnEmitter(context)
  const body = emitter.emit()
  const others = step.outer.slice(0, -1).reduce((product, extent) => product * extent, 1)
  const nanoseconds = estimate(context, 4 * emitter.width * step.inner)
  return oneStage(body, others * emitter.tiles, nanoseconds, emitter.scratchBytes)
}

class ColumnEmitter {
  readonly width: number
  readonly tiles: number
  readonly #code: Code
  readonly #step: FusedStep
  readonly #callScope: Scope
  readonly #reductions: ColumnReduction[] = []
  /** Scratch of row values that later code reads, by expression. */
  readonly #slots = new Map<number, number>()
  readonly #column: number
  readonly #columnEnd: number
  readonly #first: number
  #bytes = 0

  constructor(readonly context: KernelContext) {
    const { code, step } = context
    this.#code = code
    this.#step = step
    this.#callScope = new Scope(context, SINGLE)
    this.width = this.#chooseWidth()
    this.tiles = Math.ceil(this.#columns / (4 * this.width))
    this.#placeScratch(this.width)
    this.#first = code.allocate(I32)
    this.#column = code.allocate(I32)
    this.#columnEnd = code.allocate(I32)
    context.cacheBase = code.allocate(I32)
  }

  get scratchBytes(): number {
    return this.#bytes
  }

  get #columns(): number {
    return this.#step.outer[this.context.vectorAxis]
  }

  /** A quarter of the columns, so that threads share them, between 4 and 16 vectors, as far as the scratch goes. */
  #chooseWidth(): number {
    const vectors = Math.ceil(this.#columns / 4)
    let width = Math.min(vectors, WIDEST, Math.max(4, vectors >> 2))
    while (width > 1 && this.#placeScratch(width) > SCRATCH_LIMIT) width >>= 1
    return width
  }

  /** Lays the scratch out for tiles of that width; returns its size. */
  #placeScratch(width: number): number {
    this.#reductions.length = 0
    this.#slots.clear()
    this.#bytes = 0
    const { exprs, inner } = this.#step
    const take = (vectors: number) => {
      const at = this.#bytes
      this.#bytes += vectors * width * 16
      return at
    }
    exprs.forEach((expr, id) => {
      if (expr.op !== 'reduce') return
      const fold: Fold = { kind: expr.kind, type: exprs[expr.arg].type }
      const lanes = isOrdered(fold) ? Math.max(1, Math.min(REDUCE_LANES, inner)) : 1
      const accumulators = take(lanes)
      const totals = isOrdered(fold) && inner > REDUCE_BLOCK ? take(lanes) : undefined
      const indices = isArg(fold) ? take(1) : undefined
      this.#reductions.push({ id, arg: expr.arg, phase: expr.phase, fold, lanes, accumulators, totals, indices })
    })
    const { ready } = this.context.analysis
    for (let phase = 0; phase <= this.#step.phases; phase++) {
      const completed = (id: number) => this.#isColumnar(id) && ready[id] === phase
      for (const id of rootsOfChoice(this.context, completed)) this.#slots.set(id, take(1))
    }
    return this.#bytes
  }

  /** Row values that differ from column to column (or come from a reduction): one vector of scratch per vector. */
  #isColumnar(id: number): boolean {
    const { place, ready } = this.context.analysis
    return place[id] === 'row' && (ready[id] > 0 || !isSplat(this.context, id))
  }

  emit(): Uint8Array {
    const { place } = this.context.analysis
    const axes = this.#step.outer.map((_, axis) => axis).slice(0, -1)
    const items = new ItemLoop(this.context, axes, this.tiles)
    items.begin()
    defineForUsers(this.#callScope, (id) => place[id] === 'call')
    items.run((tile) => this.#emitTile(tile!)) // there are blocks
    return this.#code.finish()
  }

  #emitTile(tile: number): void {
    this.#startTile(tile)
    const { place, ready } = this.context.analysis
    const item = new Scope(this.context, SINGLE, this.#callScope)
    defineForUsers(item, (id) => place[id] === 'row' && ready[id] === 0 && isSplat(this.context, id))
    this.#columnValues(item, tile, 0, [])
    for (let phase = 0; phase < this.#step.phases; phase++) {
      const reductions = this.#reductions.filter((reduction) => reduction.phase === phase)
      this.#reduce(item, tile, phase, reductions)
      this.#columnValues(item, tile, phase + 1, reductions)
    }
    this.#elementStores(item, tile)
    this.#rowStores(item, tile)
    item.close()
  }

  /** first = column of lane 0; columnEnd = end of the whole vectors; cached values are addressed by column. */
  #startTile(tile: number): void {
    const code = this.#code
    const vectors = this.#columns - (this.#columns % 4)
    code.get(tile)
    code.intWith('mul', 4 * this.width)
    code.set(this.#first)
    code.get(this.#first)
    code.i32(4 * this.width)
    code.int('add')
    code.set(this.#columnEnd)
    code.get(this.#columnEnd)
    code.i32(vectors)
    code.get(this.#columnEnd)
    code.i32(vectors)
    code.int('ltU')
    code.emit(0x1b) // select
    code.set(this.#columnEnd)
    code.get(SCRATCH)
    code.get(this.#first)
    code.intWith('mul', 4)
    code.int('sub')
    code.set(this.context.cacheBase!) // made by the constructor
  }

  /** Runs `body` for every vector of columns of the tile; `extra` are coordinates on other axes. */
  #forColumns(tile: number, unroll: number, extra: Position['coordinates'], body: (position: Position) => void): void {
    const code = this.#code
    const at = (constant: number, lanes = 4): Position => ({
      lanes,
      coordinates: [{ axis: this.context.vectorAxis, local: this.#column, constant }, ...extra],
    })
    code.get(this.#first)
    code.set(this.#column)
    if (unroll > 1 && this.width >= unroll) {
      const limit = code.allocate(I32)
      code.get(this.#columnEnd)
      code.i32(4 * unroll - 4)
      code.int('sub')
      code.set(limit)
      // Tiles start at a multiple of four vectors, so the limit is not below zero where a group fits.
      code.get(this.#columnEnd)
      code.i32(4 * unroll)
      code.int('geU')
      code.if()
      code.countedLoop(
        this.#column,
        () => code.get(limit),
        4 * unroll,
        () => {
          for (let k = 0; k < unroll; k++) body(at(4 * k))
        },
      )
      code.end()
      code.release(limit)
    }
    code.countedLoop(
      this.#column,
      () => code.get(this.#columnEnd),
      4,
      () => body(at(0)),
    )
    const rest = this.#columns % 4
    if (rest === 0) return
    code.get(tile)
    code.i32(this.tiles - 1)
    code.int('eq')
    code.if()
    body(at(0, rest))
    code.end()
  }

  /** A scope for one vector of columns, where row values completed by phase `ready` are in the scratch. */
  #openScope(position: Position, parent: Scope, ready: number): Scope {
    const scope = new Scope(this.context, position, parent)
    for (const [id, cached] of this.#slots) if (this.context.analysis.ready[id] <= ready) scope.set(id, { cached })
    return scope
  }

  /** Address of scratch offset 0 for the columns of a position. */
  #pushScratch(position: Position, laneOffset?: number): void {
    const code = this.#code
    code.get(this.context.cacheBase!) // made by the constructor
    code.get(this.#column)
    code.intWith('mul', 4)
    code.int('add')
    code.intWith('add', 4 * position.coordinates[0].constant)
    if (laneOffset === undefined) return
    code.get(laneOffset)
    code.int('add')
  }

  /** Finishes the reductions that have just ended and computes the row values that were waiting for them. */
  #columnValues(item: Scope, tile: number, ready: number, reductions: readonly ColumnReduction[]): void {
    const { exprs } = this.#step
    const wanted = [...this.#slots.keys()].filter(
      (id) => this.context.analysis.ready[id] === ready && exprs[id].op !== 'reduce',
    )
    if (wanted.length === 0 && reductions.length === 0) return
    this.#forColumns(tile, 1, [], (position) => {
      const scope = this.#openScope(position, item, ready - 1)
      for (const reduction of reductions) {
        const local = this.#finish(reduction, scope)
        scope.set(reduction.id, { local })
        this.#keep(position, reduction.id, local)
      }
      scope.expect(wanted)
      for (const id of wanted) this.#keep(position, id, defineValue(scope, id))
      scope.close()
    })
  }

  #keep(position: Position, id: number, local: number): void {
    const slot = this.#slots.get(id)
    if (slot === undefined) return
    this.#pushScratch(position)
    this.#code.get(local)
    this.#code.simdMemory('store', slot)
  }

  #reduce(item: Scope, tile: number, phase: number, reductions: readonly ColumnReduction[]): void {
    const code = this.#code
    const { inner } = this.#step
    for (const { accumulators, lanes, fold, totals, indices } of reductions) {
      this.#fill(accumulators, lanes, identityBits(fold))
      if (totals !== undefined) this.#fill(totals, lanes, identityBits(fold))
      if (indices !== undefined) this.#fill(indices, 1, NO_INDEX)
    }
    const blocked = reductions.filter((reduction) => reduction.totals !== undefined)
    const at = code.allocate(I32)
    code.i32(0)
    code.set(at)
    if (blocked.length === 0) this.#walk(item, tile, phase, reductions, at, () => code.i32(inner))
    else this.#walkBlocks(item, tile, phase, reductions, blocked, at)
    code.release(at)
  }

  #walkBlocks(
    item: Scope,
    tile: number,
    phase: number,
    reductions: readonly ColumnReduction[],
    blocked: readonly ColumnReduction[],
    at: number,
  ): void {
    const code = this.#code
    const { inner } = this.#step
    const end = code.allocate(I32)
    code.countedLoop(
      at,
      () => code.i32(inner),
      0,
      () => {
        code.get(at)
        code.i32(REDUCE_BLOCK)
        code.int('add')
        code.set(end)
        code.get(end)
        code.i32(inner)
        code.get(end)
        code.i32(inner)
        code.int('ltU')
        code.emit(0x1b) // select
        code.set(end)
        this.#walk(item, tile, phase, reductions, at, () => code.get(end))
        for (const reduction of blocked) this.#endBlock(reduction)
      },
    )
    code.release(end)
  }

  /** Elements `at` … limit of every column. */
  #walk(
    item: Scope,
    tile: number,
    phase: number,
    reductions: readonly ColumnReduction[],
    at: number,
    limit: () => void,
  ): void {
    const code = this.#code
    const roots = [...new Set(reductions.map(({ arg }) => arg))].sort((a, b) => a - b)
    const laneOffset = code.allocate(I32)
    code.countedLoop(at, limit, 1, () => {
      code.get(at)
      code.i32(REDUCE_LANES - 1)
      code.int('and')
      code.intWith('mul', 16 * this.width)
      code.set(laneOffset)
      this.#atElement(item, tile, at, roots, phase, (scope) => {
        for (const reduction of reductions)
          this.#fold(reduction, defineValue(scope, reduction.arg), scope.position, laneOffset, at)
      })
    })
    code.release(laneOffset)
  }

  /** Values common to all columns once, then `body` for every vector of columns. */
  #atElement(
    item: Scope,
    tile: number,
    at: number,
    roots: readonly number[],
    ready: number,
    body: (scope: Scope) => void,
  ): void {
    const { analysis } = this.context
    const inner = { axis: this.#step.outer.length, local: at, constant: 0 }
    const needed = this.#below(roots)
    const common = new Scope(this.context, { lanes: 4, coordinates: [inner] }, item)
    const isCommon = (id: number) =>
      needed.has(id) && analysis.place[id] === 'element' && analysis.ready[id] === 0 && isSplat(this.context, id)
    defineForUsers(common, isCommon)
    for (const id of roots) if (isCommon(id)) defineValue(common, id)
    const cost = roots.reduce((sum, id) => sum + analysis.cost[id], 0)
    this.#forColumns(tile, cost > 30 ? 1 : cost > 8 ? 2 : 4, [inner], (position) => {
      const scope = this.#openScope(position, common, ready)
      scope.expect(roots)
      for (const id of roots) defineValue(scope, id)
      body(scope)
      scope.close()
    })
    common.close()
  }

  /** Everything that the roots read. */
  #below(roots: readonly number[]): Set<number> {
    const found = new Set<number>()
    const visit = (id: number): void => {
      if (found.has(id)) return
      found.add(id)
      for (const argument of argumentsOf(this.#step.exprs[id])) visit(argument)
    }
    roots.forEach(visit)
    return found
  }

  #fill(offset: number, lanes: number, bits: number): void {
    const code = this.#code
    const address = code.allocate(I32)
    const end = code.allocate(I32)
    code.get(SCRATCH)
    code.i32(offset)
    code.int('add')
    code.tee(address)
    code.i32(lanes * this.width * 16)
    code.int('add')
    code.set(end)
    code.countedLoop(
      address,
      () => code.get(end),
      16,
      () => {
        code.get(address)
        code.splatBits(bits)
        code.simdMemory('store', 0)
      },
    )
    code.release(address)
    code.release(end)
  }

  /** totals += accumulators; accumulators = identity */
  #endBlock({ accumulators, totals, lanes, fold }: ColumnReduction): void {
    const code = this.#code
    const address = code.allocate(I32)
    const end = code.allocate(I32)
    code.get(SCRATCH)
    code.tee(address)
    code.i32(lanes * this.width * 16)
    code.int('add')
    code.set(end)
    code.countedLoop(
      address,
      () => code.get(end),
      16,
      () => {
        code.get(address)
        code.get(address)
        code.simdMemory('load', totals!) // only reductions with totals have blocks
        code.get(address)
        code.simdMemory('load', accumulators)
        pushFolded(code, fold)
        code.simdMemory('store', totals!) // likewise
        code.get(address)
        code.splatBits(identityBits(fold))
        code.simdMemory('store', accumulators)
      },
    )
    code.release(address)
    code.release(end)
  }

  #fold(reduction: ColumnReduction, value: number, position: Position, laneOffset: number, at: number): void {
    const code = this.#code
    const { accumulators, indices, fold, lanes } = reduction
    const address = code.allocate(I32)
    this.#pushScratch(position, lanes > 1 ? laneOffset : undefined)
    code.set(address)
    if (indices !== undefined) this.#foldIndex(fold, value, at, address, accumulators, indices)
    else {
      code.get(address)
      code.get(address)
      code.simdMemory('load', accumulators)
      code.get(value)
      pushFolded(code, fold)
      code.simdMemory('store', accumulators)
    }
    code.release(address)
  }

  #foldIndex(fold: Fold, value: number, at: number, address: number, values: number, indices: number): void {
    const code = this.#code
    const best: Indexed = { value: code.allocate(V128), index: code.allocate(V128) }
    const candidate: Indexed = { value, index: code.allocate(V128) }
    code.get(address)
    code.simdMemory('load', values)
    code.set(best.value)
    code.get(address)
    code.simdMemory('load', indices)
    code.set(best.index)
    code.get(at)
    code.simd('i32Splat')
    code.set(candidate.index)
    foldIndexed(code, fold, best, candidate)
    for (const [local, offset] of [
      [best.value, values],
      [best.index, indices],
    ] as const) {
      code.get(address)
      code.get(local)
      code.simdMemory('store', offset)
    }
    for (const local of [best.value, best.index, candidate.index]) code.release(local)
  }

  /** The value of a reduction for one vector of columns: lane l with l+8, then +4, +2, +1. */
  #finish({ accumulators, totals, indices, lanes, fold }: ColumnReduction, owner: Scope): number {
    const code = this.#code
    const load = (offset: number): number => {
      const local = owner.own(V128)
      this.#pushScratch(owner.position)
      code.simdMemory('load', offset)
      code.set(local)
      return local
    }
    if (indices !== undefined) return load(indices)
    const values = Array.from({ length: lanes }, (_, lane) => load((totals ?? accumulators) + lane * this.width * 16))
    for (let width = REDUCE_LANES / 2; width >= 1; width /= 2) {
      for (let lane = 0; lane < width && lane + width < values.length; lane++) {
        code.get(values[lane])
        code.get(values[lane + width])
        pushFolded(code, fold)
        code.set(values[lane])
      }
    }
    return values[0]
  }

  #elementStores(item: Scope, tile: number): void {
    const code = this.#code
    const stores = this.#step.stores.filter((store) => store.level === 'element')
    if (stores.length === 0) return
    const roots = elementStoreRoots(this.context)
    const at = code.allocate(I32)
    code.i32(0)
    code.set(at)
    code.countedLoop(
      at,
      () => code.i32(this.#step.inner),
      1,
      () =>
        this.#atElement(item, tile, at, roots, this.#step.phases, (scope) => {
          for (const store of stores) storeValue(scope, store, defineValue(scope, store.value))
        }),
    )
    code.release(at)
  }

  #rowStores(item: Scope, tile: number): void {
    const stores = this.#step.stores.filter((store) => store.level === 'row')
    if (stores.length === 0) return
    this.#forColumns(tile, 1, [], (position) => {
      const scope = this.#openScope(position, item, this.#step.phases)
      for (const store of stores) storeValue(scope, store, defineValue(scope, store.value))
      scope.close()
    })
  }
}
