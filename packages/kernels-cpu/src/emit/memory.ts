/** Loads and stores of vectors along the vector axis: contiguous, broadcast, reversed, strided, gathered, guarded. */
import { dtypeBytes, type Access, type DType, type Expr, type Store } from '@tarazed/tensor'
import { I32, V128, type Code } from '../wasm/code.js'
import { SCRATCH, isSplat, pointerOf, withLocal, type KernelContext, type Position } from './context.js'
import { narrow, widen } from './narrow.js'
import { pushScalar, pushValue } from './values.js'
import type { Scope } from './scope.js'

type LoadExpr = Extract<Expr, { op: 'load' }>

/** Static offsets up to here go into the instruction: every operand lies above this address, so no sum wraps. */
const STATIC_LIMIT = 32768

/** How the lanes of an access lie in memory, and where the first one is. */
interface Lanes {
  readonly operand: number
  readonly dtype: DType
  readonly bytes: number
  /** Elements from one lane to the next. */
  readonly stride: number
  /** Local with a byte offset to add to the pointer, common to all lanes. */
  readonly shift?: number
  /** Local with a byte offset for each lane, in place of `stride`. */
  readonly offsets?: number
  readonly access: Access
}

export function pushLoad(scope: Scope, expr: LoadExpr): void {
  const { code } = scope.context
  const guard = expr.guard
  const lanes = prepareLanes(scope, expr.operand, expr.dtype, expr.access)
  if (guard === undefined) pushLanes(scope, lanes)
  else if (isSplat(scope.context, guard)) {
    pushScalar(scope, guard)
    code.if(V128)
    pushLanes(scope, lanes)
    code.else()
    code.splatBits(0)
    code.end()
  } else pushLaneGuarded(scope, lanes, guard)
  releaseLanes(code, lanes)
  widen(code, expr.dtype)
}

/** Evaluates the data-dependent terms of an address before any branch. */
function prepareLanes(scope: Scope, operand: number, dtype: DType, access: Access): Lanes {
  const { context } = scope
  const bytes = dtypeBytes(dtype)
  const inPointer = gatheredPointer(context, scope, operand, dtype, access)
  const shared = inPointer ? [] : access.gathered.filter((term) => isSplat(context, term.expr))
  const perLane = access.gathered.filter((term) => !isSplat(context, term.expr))
  const stride = access.strides[context.vectorAxis]
  const base = { operand, dtype, bytes, stride: isSingle(scope.position) ? 0 : stride, access }
  return {
    ...base,
    shift: shared.length > 0 ? sumOfTerms(scope, shared, bytes) : undefined,
    offsets: perLane.length > 0 ? laneOffsets(scope, perLane, stride, bytes) : undefined,
  }
}

/** Row values in row mode: no coordinate moves, one element fills the vector. */
function isSingle(position: Position): boolean {
  return position.coordinates.length === 0
}

function gatheredPointer(context: KernelContext, scope: Scope, operand: number, dtype: DType, access: Access): boolean {
  if (access.gathered.length === 0 || isSingle(scope.position)) return false
  return context.rowPointers.has(rowPointerKey(operand, dtype, access))
}

/** Accesses whose gathered terms are all known in the row share a pointer with the terms added. */
export function rowPointerKey(operand: number, dtype: DType, access: Access): string {
  const terms = access.gathered.map((term) => `${term.expr}*${term.stride}`).join(' ')
  return `${operand} ${dtypeBytes(dtype)} ${access.offset} ${access.strides.slice(0, -1).join(' ')} ${terms}`
}

function sumOfTerms(scope: Scope, terms: Access['gathered'], bytes: number): number {
  const { code } = scope.context
  terms.forEach((term, position) => {
    pushScalar(scope, term.expr)
    code.intWith('mul', term.stride * bytes)
    if (position > 0) code.int('add')
  })
  const local = code.allocate(I32)
  code.set(local)
  return local
}

/** Byte offsets of the lanes: the gathered terms plus the walk along the vector axis. */
function laneOffsets(scope: Scope, terms: Access['gathered'], stride: number, bytes: number): number {
  const { code } = scope.context
  terms.forEach((term, position) => {
    pushValue(scope, term.expr)
    if (term.stride * bytes !== 1) {
      code.splatBits(term.stride * bytes)
      code.simd('i32Mul')
    }
    if (position > 0) code.simd('i32Add')
  })
  if (stride !== 0) {
    code.words(0, stride * bytes, 2 * stride * bytes, 3 * stride * bytes)
    code.simd('i32Add')
  }
  const local = code.allocate(V128)
  code.set(local)
  return local
}

function releaseLanes(code: Code, lanes: Lanes): void {
  if (lanes.shift !== undefined) code.release(lanes.shift)
  if (lanes.offsets !== undefined) code.release(lanes.offsets)
}

/** Pushes the address of lane 0 (of all lanes, with `offsets`) and returns the static part for the instruction. */
function pushAddress(context: KernelContext, position: Position, lanes: Lanes): number {
  const { code } = context
  const row =
    lanes.access.gathered.length > 0
      ? context.rowPointers.get(rowPointerKey(lanes.operand, lanes.dtype, lanes.access))
      : undefined
  code.get(
    row !== undefined && !isSingle(position) ? row : pointerOf(context, lanes.operand, lanes.dtype, lanes.access),
  )
  let constant = 0
  for (const coordinate of position.coordinates) {
    const stride = lanes.access.strides[coordinate.axis] * lanes.bytes
    if (stride === 0) continue
    constant += stride * coordinate.constant
    if (coordinate.local === undefined) continue
    code.get(coordinate.local)
    code.intWith('mul', stride)
    code.int('add')
  }
  if (lanes.shift !== undefined) {
    code.get(lanes.shift)
    code.int('add')
  }
  return foldConstant(code, constant)
}

function foldConstant(code: Code, constant: number): number {
  if (constant >= 0 && constant < STATIC_LIMIT) return constant
  code.intWith('add', constant | 0)
  return 0
}

const LANE_LOAD = { 1: 'load8Lane', 2: 'load16Lane', 4: 'load32Lane' } as const
const LANE_STORE = { 1: 'store8Lane', 2: 'store16Lane', 4: 'store32Lane' } as const
const SPLAT_LOAD = { 1: 'load8Splat', 2: 'load16Splat', 4: 'load32Splat' } as const

function width(bytes: number): 1 | 2 | 4 {
  return bytes as 1 | 2 | 4
}

/** Pushes four neighbours along an axis with stride 1, whatever the vector axis is: plain 32-bit elements, no guard. */
export function loadVector(context: KernelContext, expr: LoadExpr, position: Position): void {
  const { operand, dtype, access } = expr
  const lanes: Lanes = { operand, dtype, bytes: dtypeBytes(dtype), stride: 1, access }
  context.code.simdMemory('load', pushAddress(context, position, lanes))
}

/** Pushes the packed elements of all lanes of the position. */
function pushLanes(scope: Scope, lanes: Lanes): void {
  const { code } = scope.context
  if (lanes.offsets === undefined && lanes.stride === 0) {
    return code.simdMemory(SPLAT_LOAD[width(lanes.bytes)], pushAddress(scope.context, scope.position, lanes))
  }
  if (lanes.offsets === undefined && lanes.stride === 1) return pushContiguous(scope, lanes)
  if (lanes.offsets === undefined && lanes.stride === -1 && lanes.bytes === 4 && scope.position.lanes === 4) {
    return pushReversed(scope, lanes)
  }
  withLocal(code, I32, (address) => {
    const constant = pushAddress(scope.context, scope.position, lanes)
    code.intWith('add', constant)
    code.set(address)
    code.splatBits(0)
    for (let lane = 0; lane < scope.position.lanes; lane++) pushOneLane(scope, lanes, address, lane)
  })
}

/** Replaces one lane of the vector on the stack by the element in memory. */
function pushOneLane(scope: Scope, lanes: Lanes, address: number, lane: number): void {
  const { code } = scope.context
  withLocal(code, V128, (vector) => {
    code.set(vector)
    code.get(address)
    if (lanes.offsets !== undefined) {
      code.get(lanes.offsets)
      code.simdLane('i32Extract', lane)
      code.int('add')
    }
    const constant = lanes.offsets === undefined ? foldConstant(code, lane * lanes.stride * lanes.bytes) : 0
    code.get(vector)
    code.simdMemory(LANE_LOAD[width(lanes.bytes)], constant, lane)
  })
}

/** Loads exactly `lanes × bytes` bytes, in pieces where there is no such instruction. */
function pushContiguous(scope: Scope, lanes: Lanes): void {
  const { code } = scope.context
  const total = scope.position.lanes * lanes.bytes
  const constant = pushAddress(scope.context, scope.position, lanes)
  if (total === 16) return code.simdMemory('load', constant)
  if (total === 8) return code.simdMemory('load64Zero', constant)
  if (total === 4) return code.simdMemory('load32Zero', constant)
  withLocal(code, I32, (address) => {
    code.set(address)
    let done = pushFirstPiece(code, address, constant, total)
    withLocal(code, V128, (vector) => {
      for (const piece of [4, 2, 1] as const) {
        if (total - done < piece) continue
        code.set(vector)
        code.get(address)
        code.get(vector)
        code.simdMemory(LANE_LOAD[piece], constant + done, done / piece)
        done += piece
      }
    })
  })
}

function pushFirstPiece(code: Code, address: number, constant: number, total: number): number {
  const piece = total >= 8 ? 8 : total >= 4 ? 4 : 0
  if (piece === 0) code.splatBits(0)
  else {
    code.get(address)
    code.simdMemory(piece === 8 ? 'load64Zero' : 'load32Zero', constant)
  }
  return piece
}

function pushReversed(scope: Scope, lanes: Lanes): void {
  const { code } = scope.context
  code.intWith('add', pushAddress(scope.context, scope.position, lanes) - 12)
  code.simdMemory('load', 0)
  withLocal(code, V128, (vector) => {
    code.tee(vector)
    code.get(vector)
    code.shuffleWords(3, 2, 1, 0)
  })
}

/** A guard that changes from lane to lane: the usual vector load where it holds everywhere, else lane by lane. */
function pushLaneGuarded(scope: Scope, lanes: Lanes, guard: number): void {
  const { code } = scope.context
  const mask = code.allocate(V128)
  pushValue(scope, guard)
  code.tee(mask)
  code.simd('i32AllTrue')
  code.if(V128)
  pushLanes(scope, lanes)
  code.else()
  withLocal(code, I32, (address) => {
    const constant = pushAddress(scope.context, scope.position, lanes)
    code.intWith('add', constant)
    code.set(address)
    const packed = code.allocate(V128)
    code.splatBits(0)
    code.set(packed)
    for (let lane = 0; lane < scope.position.lanes; lane++) {
      code.get(mask)
      code.simdLane('i32Extract', lane)
      code.if()
      code.get(packed)
      pushOneLane(scope, lanes, address, lane)
      code.set(packed)
      code.end()
    }
    code.get(packed)
    code.release(packed)
  })
  code.end()
  code.release(mask)
}

/** Stores the value in a local to the lanes of the position. */
export function storeValue(scope: Scope, store: Store, value: number): void {
  const { code } = scope.context
  const lanes = prepareLanes(scope, store.operand, store.dtype, store.access)
  const packed = code.allocate(V128)
  code.get(value)
  narrow(code, store.dtype)
  code.set(packed)
  if (lanes.offsets === undefined && lanes.stride === 0) storeFirst(scope, lanes, packed)
  else if (lanes.offsets === undefined && lanes.stride === 1) storeContiguous(scope, lanes, packed)
  else storeLanes(scope, lanes, packed)
  code.release(packed)
  releaseLanes(code, lanes)
}

function storeFirst(scope: Scope, lanes: Lanes, packed: number): void {
  const { code } = scope.context
  const constant = pushAddress(scope.context, scope.position, lanes)
  code.get(packed)
  code.simdMemory(LANE_STORE[width(lanes.bytes)], constant, 0)
}

function storeContiguous(scope: Scope, lanes: Lanes, packed: number): void {
  const { code } = scope.context
  const total = scope.position.lanes * lanes.bytes
  const constant = pushAddress(scope.context, scope.position, lanes)
  if (total === 16) {
    code.get(packed)
    return code.simdMemory('store', constant)
  }
  withLocal(code, I32, (address) => {
    code.set(address)
    let done = 0
    for (const [piece, op] of [
      [8, 'store64Lane'],
      [4, 'store32Lane'],
      [2, 'store16Lane'],
      [1, 'store8Lane'],
    ] as const) {
      if (total - done < piece) continue
      code.get(address)
      code.get(packed)
      code.simdMemory(op, constant + done, done / piece)
      done += piece
    }
  })
}

function storeLanes(scope: Scope, lanes: Lanes, packed: number): void {
  const { code } = scope.context
  withLocal(code, I32, (address) => {
    code.intWith('add', pushAddress(scope.context, scope.position, lanes))
    code.set(address)
    for (let lane = 0; lane < scope.position.lanes; lane++) {
      code.get(address)
      if (lanes.offsets !== undefined) {
        code.get(lanes.offsets)
        code.simdLane('i32Extract', lane)
        code.int('add')
      }
      const constant = lanes.offsets === undefined ? foldConstant(code, lane * lanes.stride * lanes.bytes) : 0
      code.get(packed)
      code.simdMemory(LANE_STORE[width(lanes.bytes)], constant, lane)
    }
  })
}

/** Pushes the address of a value kept in the row's scratch; returns the static part. */
export function pushCachedAddress(scope: Scope, offset: number): number {
  const { code, vectorAxis, cacheBase } = scope.context
  const coordinate = scope.position.coordinates.find((term) => term.axis === vectorAxis)
  code.get(cacheBase ?? SCRATCH)
  if (coordinate?.local !== undefined) {
    code.get(coordinate.local)
    code.intWith('mul', 4)
    code.int('add')
  }
  return foldConstant(code, offset + 4 * (coordinate?.constant ?? 0))
}
