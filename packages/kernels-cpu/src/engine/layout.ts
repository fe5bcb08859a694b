/** Addresses and record formats that the generated driver and the TypeScript engine agree on. All fields are 32-bit words. */

/** Bytes below this address belong to the static data of the routine module. */
const CONTROL_BASE = 65536

/** Words that threads contend for lie on cache lines of their own. */
export const ARRIVED = CONTROL_BASE
export const GENERATION = CONTROL_BASE + 64
export const CLAIMED = CONTROL_BASE + 128
export const SLEEPERS = CONTROL_BASE + 192
/** Number of the last command in the ring (written by the main thread; workers wait on it). */
export const RING_HEAD = CONTROL_BASE + 256
/** Number of the last run that has ended (the main thread waits on it). */
export const RUNS_ENDED = CONTROL_BASE + 320
/** Not 0 once a worker has met an error. */
export const FAILURE = CONTROL_BASE + 384
/** One word a worker: the last command that it has finished. */
export const WORKER_DONE = CONTROL_BASE + 1024
export const WORKER_STRIDE = 64
export const MAX_WORKERS = 64
export const RING_BASE = WORKER_DONE + WORKER_STRIDE * MAX_WORKERS
/** Commands to the workers: kind and arguments. */
export const RING_ENTRIES = 256
export const RING_ENTRY_BYTES = 32

/** header, bindings, words, parallel, number of the run */
export const RUN = 1
/** address, bytes, table entries */
export const MODULE = 2
export const CLOSE = 3
/** First byte that the allocator hands out. */
export const HEAP_BASE = 131072

/** Where the scratch of thread 0 starts, and bytes from one thread's to the next one's. */
export const SCRATCH_BASE = CONTROL_BASE + 448
export const SCRATCH_STRIDE = CONTROL_BASE + 452

/**
 * Header of a loaded program. The words from `arena` on are written anew for every run: arena, scratch of routines,
 * addresses of inputs and outputs, params.
 */
export const HEADER = {
  list: 0,
  /** Not 0: threads meet once more when the list has ended. */
  endBarrier: 4,
  threads: 8,
  /** Where time stamps go (thread 0's clock at the start of every record and at the end), 0 for none. */
  profile: 12,
  arena: 16,
  shared: 20,
  bindings: 24,
} as const

/** A list: count, not 0 for the list whose records are timed, then records. */
export const LIST_RECORDS = 8
export const RECORD_BYTES = 48

export const STAGE = 0
export const FILL = 1
export const LOOP = 2
export const COPY = 3
export const CLEAR = 4

export const PARALLEL = 1
export const BARRIER_BEFORE = 2
/** STAGE: after every item, a second function works on the rows of the tile that the item has finished. */
export const EPILOGUE = 4

/** Fields by kind, as byte offsets in a record. */
export const RECORD = {
  kind: 0,
  flags: 4,
  /** STAGE: position in the function table, descriptor, items, items claimed at a time. */
  fn: 8,
  desc: 12,
  items: 16,
  chunk: 20,
  /**
   * STAGE with EPILOGUE: function and descriptor of the epilogue. Tiles that lie below each other make a strip: item i is tile
   * i mod `stripTiles` of its strip. Rows of a whole strip, and of a tile (the last one of a strip may have fewer).
   */
  epilogueFn: 24,
  epilogueDesc: 28,
  stripTiles: 32,
  stripRows: 36,
  tileRows: 40,
  /** FILL: number of entries and their address; LOOP: patches likewise. */
  count: 8,
  entries: 12,
  /** LOOP: trips, or their capacity when there is a bound. */
  trips: 16,
  body: 20,
  reverse: 24,
  /** LOOP, COPY, CLEAR: word with the address of the number of trips at run time, 0 for none. A COPY with one waits for 0 trips. */
  bound: 28,
  /** COPY: words that hold the addresses, and bytes. CLEAR: the same without a source, bytes of one slice; those past the bound become 0. */
  to: 8,
  from: 12,
  bytes: 20,
} as const

/** FILL entry: word to write, word to read, addend. */
export const FILL_ENTRY_BYTES = 12

/**
 * LOOP patch: word to write; words to read on the first, on even and on odd trips, and the same three for the last trip; bytes to
 * add per trip index.
 */
export const PATCH_ENTRY_BYTES = 32
export const PATCH_BYTES = 28
