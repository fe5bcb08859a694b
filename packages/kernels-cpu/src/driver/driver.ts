/**
 * The driver: a WebAssembly module that walks the records of a program without going back to JavaScript. Every thread
 * runs the same list; stages marked parallel are claimed in chunks from one counter, the others belong to thread 0.
 */
import { Code, I32 } from '../wasm/code.js'
import { driverModule, KERNEL_TYPE, type MemoryType } from '../wasm/module.js'
import {
  ARRIVED,
  BARRIER_BEFORE,
  CLAIMED,
  CLEAR,
  COPY,
  EPILOGUE,
  FILL,
  FILL_ENTRY_BYTES,
  GENERATION,
  HEADER,
  LIST_RECORDS,
  LOOP,
  PARALLEL,
  PATCH_BYTES,
  PATCH_ENTRY_BYTES,
  RECORD,
  RECORD_BYTES,
  SCRATCH_BASE,
  SCRATCH_STRIDE,
  SLEEPERS,
  STAGE,
} from '../engine/layout.js'

/** Function indices: the imported clock comes first. */
const NOW = 0
const LIST = 2
const BARRIER = 3
const STAGE_FN = 4
const FILL_FN = 5
const LOOP_FN = 6
const COPY_FN = 7
const CLEAR_FN = 8
const TILES_FN = 9

/** Looks at the generation this often before sleeping: some 20 µs. */
const SPINS = 4000

export function buildDriver(memory: MemoryType): Uint8Array {
  return driverModule(
    [
      { name: 'run', body: runBody() },
      { name: 'list', body: listBody() },
      { name: 'barrier', body: barrierBody(memory.shared) },
      { name: 'stage', body: stageBody() },
      { name: 'fill', body: fillBody() },
      { name: 'loop', body: loopBody() },
      { name: 'copy', body: copyBody() },
      { name: 'clear', body: clearBody() },
      { name: 'tiles', body: tilesBody(), type: KERNEL_TYPE },
    ],
    memory,
  )
}

/** run(header, thread): the whole program. */
function runBody(): Uint8Array {
  const code = new Code(3)
  const [header, thread] = [0, 1]
  code.get(header)
  code.i32Load(HEADER.list)
  code.get(header)
  code.get(thread)
  code.call(LIST)
  code.get(header)
  code.i32Load(HEADER.endBarrier)
  code.if()
  pushZeros(code, header)
  code.call(BARRIER)
  code.end()
  return code.finish()
}

function pushZeros(code: Code, header: number): void {
  code.get(header)
  code.i32(0)
  code.i32(0)
}

/** list(list, header, thread): the records one after the other. */
function listBody(): Uint8Array {
  const code = new Code(3)
  const [list, header, thread] = [0, 1, 2]
  const record = code.allocate(I32)
  const end = code.allocate(I32)
  const clock = code.allocate(I32)
  code.get(list)
  code.i32(LIST_RECORDS)
  code.int('add')
  code.tee(record)
  code.get(list)
  code.i32Load(0)
  code.intWith('mul', RECORD_BYTES)
  code.int('add')
  code.set(end)
  pushClock(code, list, header, thread)
  code.set(clock)
  code.countedLoop(
    record,
    () => code.get(end),
    RECORD_BYTES,
    () => {
      code.get(record)
      code.i32Load(RECORD.flags)
      code.i32(BARRIER_BEFORE)
      code.int('and')
      code.if()
      pushZeros(code, header)
      code.call(BARRIER)
      code.end()
      stampTime(code, clock)
      dispatch(code, record, header, thread)
    },
  )
  stampTime(code, clock)
  return code.finish()
}

/** Address for the next time stamp, 0 when nothing is timed: only thread 0 times the outermost list. */
function pushClock(code: Code, list: number, header: number, thread: number): void {
  code.i32(0)
  code.get(header)
  code.i32Load(HEADER.profile)
  code.get(thread)
  code.get(list)
  code.i32Load(4)
  code.int('eqz')
  code.int('or')
  code.emit(0x1b) // select
}

function stampTime(code: Code, clock: number): void {
  code.get(clock)
  code.if()
  code.get(clock)
  code.call(NOW)
  code.f64Store(0)
  code.get(clock)
  code.i32(8)
  code.int('add')
  code.set(clock)
  code.end()
}

function dispatch(code: Code, record: number, header: number, thread: number): void {
  const call = (kind: number, fn: number) => {
    pushKindIs(code, record, kind)
    code.if()
    code.get(record)
    code.get(header)
    code.get(thread)
    code.call(fn)
    code.end()
  }
  call(STAGE, STAGE_FN)
  call(FILL, FILL_FN)
  call(LOOP, LOOP_FN)
  call(COPY, COPY_FN)
  call(CLEAR, CLEAR_FN)
}

function pushKindIs(code: Code, record: number, kind: number): void {
  code.get(record)
  code.i32Load(RECORD.kind)
  code.i32(kind)
  code.int('eq')
}

/**
 * barrier(header): the last thread to come clears the counters and lets the others go. They spin, then sleep; the
 * count of sleepers saves the call into the system when nobody sleeps.
 */
function barrierBody(shared: boolean): Uint8Array {
  const code = new Code(3)
  if (!shared) return code.finish()
  const generation = code.allocate(I32)
  const spins = code.allocate(I32)
  const alone = code.block()
  pushThreads(code, 0)
  code.i32(1)
  code.int('leU')
  code.branchIf(alone)
  atomicLoad(code, GENERATION)
  code.set(generation)
  code.i32(ARRIVED)
  code.i32(1)
  code.atomic('add')
  code.i32(1)
  code.int('add')
  pushThreads(code, 0)
  code.int('eq')
  code.if()
  releaseAll(code, generation)
  code.else()
  awaitGeneration(code, generation, spins)
  code.end()
  code.end()
  return code.finish()
}

function pushThreads(code: Code, header: number): void {
  code.get(header)
  code.i32Load(HEADER.threads)
}

function atomicLoad(code: Code, address: number): void {
  code.i32(address)
  code.atomic('load')
}

function releaseAll(code: Code, generation: number): void {
  for (const address of [ARRIVED, CLAIMED]) {
    code.i32(address)
    code.i32(0)
    code.atomic('store')
  }
  code.i32(GENERATION)
  code.get(generation)
  code.i32(1)
  code.int('add')
  code.atomic('store')
  atomicLoad(code, SLEEPERS)
  code.if()
  code.i32(GENERATION)
  code.i32(-1)
  code.atomic('notify')
  code.drop()
  code.end()
}

function awaitGeneration(code: Code, generation: number, spins: number): void {
  const gone = code.block()
  code.i32(0)
  code.set(spins)
  code.countedLoop(
    spins,
    () => code.i32(SPINS),
    1,
    () => {
      leaveWhenNew(code, generation, gone)
    },
  )
  addSleepers(code, 1)
  const again = code.loop()
  code.i32(GENERATION)
  code.get(generation)
  code.emit(0x42, 0x7f) // i64.const -1: no timeout
  code.atomic('wait32')
  code.drop()
  atomicLoad(code, GENERATION)
  code.get(generation)
  code.int('eq')
  code.branchIf(again)
  code.end()
  addSleepers(code, -1)
  code.end()
}

function leaveWhenNew(code: Code, generation: number, gone: number): void {
  atomicLoad(code, GENERATION)
  code.get(generation)
  code.int('ne')
  code.branchIf(gone)
}

function addSleepers(code: Code, change: number): void {
  code.i32(SLEEPERS)
  code.i32(change)
  code.atomic('add')
  code.drop()
}

/** stage(record, header, thread): claims items (parallel) or does them all (thread 0, or the only thread). */
function stageBody(): Uint8Array {
  const code = new Code(3)
  const [record, header, thread] = [0, 1, 2]
  const items = code.allocate(I32)
  const chunk = code.allocate(I32)
  const begin = code.allocate(I32)
  const scratch = code.allocate(I32)
  loadInto(code, record, RECORD.items, items)
  loadInto(code, record, RECORD.chunk, chunk)
  code.i32(SCRATCH_BASE)
  code.i32Load(0)
  code.get(thread)
  code.i32(SCRATCH_STRIDE)
  code.i32Load(0)
  code.int('mul')
  code.int('add')
  code.set(scratch)
  code.get(record)
  code.i32Load(RECORD.flags)
  code.i32(PARALLEL)
  code.int('and')
  pushThreads(code, header)
  code.i32(1)
  code.int('gtU')
  code.int('and')
  code.if()
  claimLoop(code, record, scratch, items, chunk, begin)
  code.else()
  code.get(thread)
  code.int('eqz')
  code.if()
  code.i32(0)
  code.set(begin)
  const exit = code.block()
  const again = code.loop()
  code.get(begin)
  code.get(items)
  code.int('geU')
  code.branchIf(exit)
  callItems(code, record, scratch, begin, items, chunk)
  code.get(begin)
  code.get(chunk)
  code.int('add')
  code.set(begin)
  code.branch(again)
  code.end()
  code.end()
  code.end()
  code.end()
  return code.finish()
}

function loadInto(code: Code, record: number, field: number, local: number): void {
  code.get(record)
  code.i32Load(field)
  code.set(local)
}

function claimLoop(code: Code, record: number, scratch: number, items: number, chunk: number, begin: number): void {
  const exit = code.block()
  const again = code.loop()
  code.i32(CLAIMED)
  code.get(chunk)
  code.atomic('add')
  code.tee(begin)
  code.get(items)
  code.int('geU')
  code.branchIf(exit)
  callItems(code, record, scratch, begin, items, chunk)
  code.branch(again)
  code.end()
  code.end()
}

/** fn(desc, scratch, begin, min(begin + chunk, items)), tile by tile where an epilogue follows */
function callItems(code: Code, record: number, scratch: number, begin: number, items: number, chunk: number): void {
  const pushEnd = () => {
    code.get(begin)
    code.get(chunk)
    code.int('add')
    code.get(items)
    code.get(items)
    code.get(begin)
    code.int('sub')
    code.get(chunk)
    code.int('gtU')
    code.emit(0x1b) // select: begin + chunk where more than a chunk is left
  }
  code.get(record)
  code.i32Load(RECORD.flags)
  code.i32(EPILOGUE)
  code.int('and')
  code.if()
  code.get(record)
  code.get(scratch)
  code.get(begin)
  pushEnd()
  code.call(TILES_FN)
  code.else()
  code.get(record)
  code.i32Load(RECORD.desc)
  code.get(scratch)
  code.get(begin)
  pushEnd()
  code.get(record)
  code.i32Load(RECORD.fn)
  code.callIndirect(KERNEL_TYPE)
  code.end()
}

/** tiles(record, scratch, begin, end): every item, and at once the epilogue over the rows of its tile. */
function tilesBody(): Uint8Array {
  const code = new Code(4)
  const [record, scratch, item, end] = [0, 1, 2, 3]
  const strip = code.allocate(I32)
  const row = code.allocate(I32)
  const field = (offset: number) => {
    code.get(record)
    code.i32Load(offset)
  }
  code.countedLoop(
    item,
    () => code.get(end),
    1,
    () => {
      field(RECORD.desc)
      code.get(scratch)
      code.get(item)
      code.get(item)
      code.i32(1)
      code.int('add')
      field(RECORD.fn)
      code.callIndirect(KERNEL_TYPE)
      code.get(item)
      field(RECORD.stripTiles)
      code.int('divU')
      field(RECORD.stripRows)
      code.int('mul')
      code.set(strip)
      code.get(item)
      field(RECORD.stripTiles)
      code.int('remU')
      field(RECORD.tileRows)
      code.int('mul')
      code.set(row)
      field(RECORD.epilogueDesc)
      code.get(scratch)
      code.get(strip)
      code.get(row)
      code.int('add')
      code.get(strip)
      pushTileEnd(field, code, row)
      code.int('add')
      field(RECORD.epilogueFn)
      code.callIndirect(KERNEL_TYPE)
    },
  )
  return code.finish()
}

/** min(row + tileRows, stripRows) */
function pushTileEnd(field: (offset: number) => void, code: Code, row: number): void {
  const pushNext = () => {
    code.get(row)
    field(RECORD.tileRows)
    code.int('add')
  }
  pushNext()
  field(RECORD.stripRows)
  pushNext()
  field(RECORD.stripRows)
  code.int('ltU')
  code.emit(0x1b) // select
}

/** fill(record, header, thread): writes the addresses and params of this run into the descriptors. */
function fillBody(): Uint8Array {
  const code = new Code(3)
  const [record, , thread] = [0, 1, 2]
  const entry = code.allocate(I32)
  const end = code.allocate(I32)
  code.get(thread)
  code.if()
  code.return()
  code.end()
  entriesOf(code, record, entry, end, FILL_ENTRY_BYTES)
  code.countedLoop(
    entry,
    () => code.get(end),
    FILL_ENTRY_BYTES,
    () => {
      code.get(entry)
      code.i32Load(0)
      code.get(entry)
      code.i32Load(4)
      code.i32Load(0)
      code.get(entry)
      code.i32Load(8)
      code.int('add')
      code.i32Store(0)
    },
  )
  return code.finish()
}

function entriesOf(code: Code, record: number, entry: number, end: number, bytes: number): void {
  code.get(record)
  code.i32Load(RECORD.entries)
  code.tee(entry)
  code.get(record)
  code.i32Load(RECORD.count)
  code.intWith('mul', bytes)
  code.int('add')
  code.set(end)
}

/** The trips of a record: all of them, or as many as its bound says. Every thread reads the same number: nothing writes it meanwhile. */
function loadTrips(code: Code, record: number, trips: number): void {
  const bound = code.allocate(I32)
  loadInto(code, record, RECORD.trips, trips)
  loadInto(code, record, RECORD.bound, bound)
  code.get(bound)
  code.if()
  code.get(bound)
  code.i32Load(0)
  code.i32Load(0)
  code.set(bound)
  code.i32(0)
  code.get(bound)
  code.get(bound)
  code.i32(0)
  code.int('ltS')
  code.emit(0x1b) // select: not below zero
  code.tee(bound)
  code.get(trips)
  code.get(bound)
  code.get(trips)
  code.int('ltS')
  code.emit(0x1b) // select: not above the capacity
  code.set(trips)
  code.end()
  code.release(bound)
}

function returnUnlessFirst(code: Code, thread: number): void {
  code.get(thread)
  code.if()
  code.return()
  code.end()
}

/** copy(record, header, thread): with a bound only when that is zero, where a loop leaves its carries as they were. */
function copyBody(): Uint8Array {
  const code = new Code(3)
  const [record, , thread] = [0, 1, 2]
  const trips = code.allocate(I32)
  returnUnlessFirst(code, thread)
  loadTrips(code, record, trips)
  code.get(trips)
  code.if()
  code.return()
  code.end()
  for (const field of [RECORD.to, RECORD.from]) {
    code.get(record)
    code.i32Load(field)
    code.i32Load(0)
  }
  code.get(record)
  code.i32Load(RECORD.bytes)
  code.memoryCopy()
  return code.finish()
}

/** clear(record, header, thread): zeros for the slices past the bound. */
function clearBody(): Uint8Array {
  const code = new Code(3)
  const [record, , thread] = [0, 1, 2]
  const trips = code.allocate(I32)
  returnUnlessFirst(code, thread)
  loadTrips(code, record, trips)
  const pushSlices = (count: () => void) => {
    count()
    code.get(record)
    code.i32Load(RECORD.bytes)
    code.int('mul')
  }
  code.get(record)
  code.i32Load(RECORD.to)
  code.i32Load(0)
  pushSlices(() => code.get(trips))
  code.int('add')
  code.i32(0)
  pushSlices(() => {
    code.get(record)
    code.i32Load(RECORD.trips)
    code.get(trips)
    code.int('sub')
  })
  code.memoryFill()
  return code.finish()
}

/** loop(record, header, thread): every trip, thread 0 points the body at its slices and carries, then all run the body. */
function loopBody(): Uint8Array {
  const code = new Code(3)
  const [record, header, thread] = [0, 1, 2]
  const trip = code.allocate(I32)
  const trips = code.allocate(I32)
  code.get(record)
  code.i32Load(RECORD.flags)
  code.i32(PARALLEL)
  code.int('and')
  code.int('eqz')
  code.get(thread)
  code.i32(0)
  code.int('ne')
  code.int('and')
  code.if()
  code.return()
  code.end()
  loadTrips(code, record, trips)
  code.i32(0)
  code.set(trip)
  code.countedLoop(
    trip,
    () => code.get(trips),
    1,
    () => {
      code.get(thread)
      code.int('eqz')
      code.if()
      patchTrip(code, record, trip, trips)
      code.end()
      code.get(record)
      code.i32Load(RECORD.body)
      code.get(header)
      code.get(thread)
      code.call(LIST)
    },
  )
  return code.finish()
}

function patchTrip(code: Code, record: number, trip: number, trips: number): void {
  const entry = code.allocate(I32)
  const end = code.allocate(I32)
  const field = code.allocate(I32)
  const slice = code.allocate(I32)
  pushTripField(code, trip, trips)
  code.set(field)
  code.get(trips)
  code.i32(1)
  code.int('sub')
  code.get(trip)
  code.int('sub')
  code.get(trip)
  code.get(record)
  code.i32Load(RECORD.reverse)
  code.emit(0x1b) // select
  code.set(slice)
  entriesOf(code, record, entry, end, PATCH_ENTRY_BYTES)
  code.countedLoop(
    entry,
    () => code.get(end),
    PATCH_ENTRY_BYTES,
    () => {
      code.get(entry)
      code.i32Load(0)
      code.get(entry)
      code.get(field)
      code.int('add')
      code.i32Load(0)
      code.i32Load(0)
      code.get(entry)
      code.i32Load(PATCH_BYTES)
      code.get(slice)
      code.int('mul')
      code.int('add')
      code.i32Store(0)
    },
  )
  for (const local of [entry, end, field, slice]) code.release(local)
}

/** Byte offset of the patch word to read: 4 on the first trip, else 8 (even) or 12 (odd), and 12 more on the last. */
function pushTripField(code: Code, trip: number, trips: number): void {
  code.i32(4)
  code.get(trip)
  code.i32(1)
  code.int('and')
  code.i32(2)
  code.int('shl')
  code.i32(8)
  code.int('add')
  code.get(trip)
  code.int('eqz')
  code.emit(0x1b) // select: first trip or not
  code.i32(12)
  code.i32(0)
  code.get(trip)
  code.i32(1)
  code.int('add')
  code.get(trips)
  code.int('eq')
  code.emit(0x1b) // select: last trip or not
  code.int('add')
}
