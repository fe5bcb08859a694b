/** Loops over a row in vectors: unrolled groups, single vectors, the last lanes; with blocks touched ahead of heavy work. */
import { I32, type Code } from '../wasm/code.js'
import type { Position } from './context.js'

/** Elements of a block of a long row: small enough to balance, long enough to hide the cost of an item. */
export const BLOCK = 4096

/** Elements whose cache lines are touched together ahead of arithmetic: 4 KiB of f32. */
const TOUCHED = 1024

const CACHE_LINE = 64

/** An operand that is read contiguously: the local with the row's address, and bytes of an element. */
export interface Stream {
  readonly pointer: number
  readonly bytes: number
}

export type VectorBody = (position: Position, vector: number) => void

export interface Walk {
  readonly code: Code
  readonly axis: number
  /** Vectors in one turn of the main loop. */
  readonly unroll: number
  /** Read from memory, not cache: touched a block at a time, so that the misses overlap each other, not the arithmetic. */
  readonly streams: readonly Stream[]
  /**
   * What will be needed after this pass: one word of each cache line is read as the loop goes, so that memory works
   * while the arithmetic does. At least as long as the row.
   */
  readonly ahead?: readonly Stream[]
  /** Gets the position and the number of the vector within the group of `unroll`. */
  readonly body: VectorBody
}

export function vectorAt(axis: number, local: number | undefined, constant: number, lanes = 4): Position {
  return { lanes, coordinates: [{ axis, local, constant }] }
}

/** Elements `start` … `start + length`, both known when the code is made. */
export function walkKnown(walk: Walk, start: number, length: number): void {
  const { code, axis, unroll, body } = walk
  const group = 4 * unroll
  let done = 0
  if (length >= 2 * group) {
    done = length - (length % group)
    const at = code.allocate(I32)
    code.i32(start)
    code.set(at)
    walkGroups(walk, at, () => code.i32(start + done), start + done)
    code.release(at)
  }
  for (; done < length; done += 4) {
    body(vectorAt(axis, undefined, start + done, Math.min(4, length - done)), (done >> 2) % unroll)
  }
}

/** Whole groups from `at` up to a limit; `known` is the limit where it is fixed, which the touching of blocks needs. */
export function walkGroups(walk: Walk, at: number, limit: () => void, known?: number): void {
  const { code, streams } = walk
  if (streams.length === 0 || known === undefined || known < TOUCHED) return groups(walk, at, limit)
  const end = code.allocate(I32)
  const whole = known - (known % TOUCHED)
  code.countedLoop(
    at,
    () => code.i32(known),
    0,
    () => {
      code.get(at)
      code.i32(TOUCHED)
      code.int('add')
      code.i32(known)
      code.get(at)
      code.i32(whole)
      code.int('ltU')
      code.emit(0x1b) // select: a whole block, or up to the limit
      code.set(end)
      touchWhole(walk, at, whole)
      groups(walk, at, () => code.get(end))
    },
  )
  code.release(end)
}

function touchWhole(walk: Walk, at: number, whole: number): void {
  const { code } = walk
  code.get(at)
  code.i32(whole)
  code.int('ltU')
  code.if()
  touchBlock(walk, at)
  code.end()
}

/** Reads one word of every cache line of the next block of each stream. */
export function touchBlock({ code, streams }: Walk, at: number): void {
  for (const { pointer, bytes } of streams) {
    const address = code.allocate(I32)
    const end = code.allocate(I32)
    code.get(pointer)
    code.get(at)
    code.intWith('mul', bytes)
    code.int('add')
    code.tee(address)
    code.i32(TOUCHED * bytes)
    code.int('add')
    code.set(end)
    const lines = 16
    code.countedLoop(
      address,
      () => code.get(end),
      lines * CACHE_LINE,
      () => {
        for (let line = 0; line < lines; line++) {
          code.get(address)
          code.i32Load(line * CACHE_LINE)
          code.drop()
        }
      },
    )
    code.release(address)
    code.release(end)
  }
}

function groups({ code, axis, unroll, ahead, body }: Walk, at: number, limit: () => void): void {
  code.countedLoop(at, limit, 4 * unroll, () => {
    for (const { pointer, bytes } of ahead ?? []) {
      code.get(pointer)
      code.get(at)
      code.intWith('mul', bytes)
      code.int('add')
      code.i32Load(0)
      code.drop()
    }
    for (let k = 0; k < unroll; k++) body(vectorAt(axis, at, 4 * k), k)
  })
}

/** Block `block` (a local) of a row of `length` elements; the last block may be shorter. */
export function walkBlock(walk: Walk, length: number, block: number): void {
  const { code, axis, unroll, body } = walk
  const at = code.allocate(I32)
  const end = code.allocate(I32)
  const vectors = length - (length % 4)
  startBlock(code, block, at, end, vectors)
  if (unroll > 1 || walk.streams.length > 0) blockGroups(walk, at, end)
  code.countedLoop(
    at,
    () => code.get(end),
    4,
    () => body(vectorAt(axis, at, 0), 0),
  )
  if (vectors < length) {
    code.get(block)
    code.i32(Math.ceil(length / BLOCK) - 1)
    code.int('eq')
    code.if()
    body(vectorAt(axis, undefined, vectors, length - vectors), 0)
    code.end()
  }
  code.release(at)
  code.release(end)
}

/** at = block · BLOCK; end = min(at + BLOCK, last whole vector) */
function startBlock(code: Code, block: number, at: number, end: number, vectors: number): void {
  code.get(block)
  code.i32(BLOCK)
  code.int('mul')
  code.tee(at)
  code.i32(BLOCK)
  code.int('add')
  code.set(end)
  code.get(end)
  code.i32(vectors)
  code.get(end)
  code.i32(vectors)
  code.int('ltU')
  code.emit(0x1b) // select
  code.set(end)
}

/** Touched blocks and whole groups; single vectors are left over. */
function blockGroups(walk: Walk, at: number, end: number): void {
  const { code, streams, unroll } = walk
  const limit = code.allocate(I32)
  if (streams.length > 0) {
    const whole = code.allocate(I32)
    wholeSteps(code, at, end, whole, TOUCHED)
    code.countedLoop(
      at,
      () => code.get(whole),
      0,
      () => {
        touchBlock(walk, at)
        code.get(at)
        code.i32(TOUCHED)
        code.int('add')
        code.set(limit)
        groups(walk, at, () => code.get(limit))
      },
    )
    code.release(whole)
  }
  wholeSteps(code, at, end, limit, 4 * unroll)
  if (streams.length === 0) groups(walk, at, () => code.get(limit))
  code.release(limit)
}

/** limit = at + (end - at) rounded down to a multiple of `step`, a power of two. */
function wholeSteps(code: Code, at: number, end: number, limit: number, step: number): void {
  code.get(end)
  code.get(end)
  code.get(at)
  code.int('sub')
  code.i32(step - 1)
  code.int('and')
  code.int('sub')
  code.set(limit)
}
