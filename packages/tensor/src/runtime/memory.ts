/**
 * Who owns device memory, and what happens when dropped handles pile up.
 *
 * Handles are freed by a finalizer, but engines run finalizers only in macrotasks after a collection, and a handle of a
 * few bytes gives the collector no reason to run. So live bytes are counted: when a backend holds `slackBytes` more than
 * after the last collection, evaluation first provokes a collection and yields a macrotask.
 */
import type { Tensor } from '../graph/tensor.js'
import { requireCount, requireNumber } from '../ops/check.js'
import type { Backend, DeviceBuffer } from '../program/backend.js'
import { requireBackend } from './defaultBackend.js'

interface Owned {
  readonly backend: Backend
  readonly buffer: DeviceBuffer
  readonly describe: string
  freed: boolean
}

const owners = new WeakMap<Tensor, Owned>()
/** Copies of host data on devices. The tensor keeps its host bytes, or its first buffer when they were given back. */
const copies = new WeakMap<Tensor, Owned[]>()
const finalizer = new FinalizationRegistry<Owned>((owned) => release(owned))

interface Accounts {
  /** Live bytes right after the last collection. */
  baseline: number
  slackBytes: number
  readonly live: Set<Owned>
}

const accounts = new WeakMap<Backend, Accounts>()

/** Dropped handles may hold this much memory until the next collection is provoked. */
export const DEFAULT_SLACK_BYTES = 256 * 2 ** 20

function accountsOf(backend: Backend): Accounts {
  let known = accounts.get(backend)
  if (known === undefined)
    accounts.set(backend, (known = { baseline: 0, slackBytes: DEFAULT_SLACK_BYTES, live: new Set() }))
  return known
}

/** Sets how many bytes of dropped tensors a backend may hold before memory is reclaimed. */
export function setMemorySlack(backend: Backend, bytes: number): void {
  requireBackend('setMemorySlack', backend)
  requireNumber('setMemorySlack', 'bytes', bytes, 0)
  accountsOf(backend).slackBytes = bytes
}

/** Ties a buffer to a handle: freed when the handle is collected, unless `disown` comes first. */
export function own(tensor: Tensor, backend: Backend, buffer: DeviceBuffer): void {
  tensor.storage = { kind: 'device', backend, buffer }
  owners.set(tensor, register(tensor, backend, buffer))
}

function register(tensor: Tensor, backend: Backend, buffer: DeviceBuffer): Owned {
  const site = tensor.node?.site
  const describe = `${tensor.dtype} [${tensor.shape.join(', ')}]${site === undefined ? '' : ` from ${site}`}`
  const owned: Owned = { backend, buffer, describe, freed: false }
  accountsOf(backend).live.add(owned)
  finalizer.register(tensor, owned, owned)
  return owned
}

/** Ties one more buffer with the value of a tensor to its handle, as `own`, and leaves the value where it is. */
export function ownCopy(tensor: Tensor, backend: Backend, buffer: DeviceBuffer): void {
  const others = (copies.get(tensor) ?? []).filter((copy) => !copy.backend.closed)
  copies.set(tensor, [...others, register(tensor, backend, buffer)])
}

/** The copy of a tensor on a backend, or on any open one. */
export function copyOf(tensor: Tensor, backend?: Backend): { backend: Backend; buffer: DeviceBuffer } | undefined {
  return copies.get(tensor)?.find((copy) => (backend === undefined ? !copy.backend.closed : copy.backend === backend))
}

/** Takes the buffer on a backend away from a handle without freeing it (donation); what it has on others is freed. */
export function disown(tensor: Tensor, backend: Backend): DeviceBuffer | null {
  const main = owners.get(tensor)
  const given = main?.backend === backend ? main : copies.get(tensor)?.find((copy) => copy.backend === backend)
  if (given === undefined) {
    releaseTensor(tensor)
    return null
  }
  given.freed = true
  accountsOf(backend).live.delete(given)
  releaseTensor(tensor)
  return given.buffer
}

/** Frees the buffer of a handle now. */
export function releaseTensor(tensor: Tensor): void {
  const main = owners.get(tensor)
  tensor.storage = null
  if (main !== undefined) forget(main)
  owners.delete(tensor)
  copies.get(tensor)?.forEach(forget)
  copies.delete(tensor)
}

function forget(owned: Owned): void {
  finalizer.unregister(owned)
  release(owned)
}

function release(owned: Owned): void {
  if (owned.freed) return
  owned.freed = true
  accountsOf(owned.backend).live.delete(owned)
  if (!owned.backend.closed) owned.backend.free(owned.buffer)
}

/** Reclaims dropped handles when too much has piled up. Cheap when nothing has. */
export async function relieveMemory(backend: Backend): Promise<void> {
  const account = accountsOf(backend)
  if (backend.counters.liveBytes <= account.baseline + account.slackBytes) return
  await collectGarbage()
  account.baseline = backend.counters.liveBytes
}

/** The largest live tensors of a backend, for reports and allocation errors. */
export function memoryReport(
  backend: Backend,
  count = 10,
): { liveBytes: number; tensors: number; largest: { bytes: number; what: string }[] } {
  requireBackend('memoryReport', backend)
  requireCount('memoryReport', 'count', count)
  const live = [...accountsOf(backend).live].sort((a, b) => b.buffer.bytes - a.buffer.bytes)
  const largest = live.slice(0, count).map((owned) => ({ bytes: owned.buffer.bytes, what: owned.describe }))
  return { liveBytes: backend.counters.liveBytes, tensors: live.length, largest }
}

/** Provokes a garbage collection and lets finalizers run. */
export async function collectGarbage(): Promise<void> {
  const collect = await collector()
  collect()
  // Finalizers run in a macrotask of their own after the collection.
  await macrotask()
  await macrotask()
}

let knownCollector: (() => void) | null = null

async function collector(): Promise<() => void> {
  if (knownCollector !== null) return knownCollector
  const exposed = (globalThis as { gc?: () => void }).gc
  knownCollector = exposed ?? nodeCollector() ?? throwAwayBuffers
  return knownCollector
}

/** In Node the collector can be reached through V8's flags at run time. */
function nodeCollector(): (() => void) | null {
  const node = (globalThis as { process?: { versions?: { node?: string } } }).process?.versions?.node
  if (node === undefined) return null
  try {
    // Not by a dynamic import: that would make a second chunk, which Vite refuses in a worker.
    const v8 = process.getBuiltinModule('node:v8')
    const vm = process.getBuiltinModule('node:vm')
    v8.setFlagsFromString('--expose-gc')
    const gc: unknown = vm.runInNewContext('gc')
    return typeof gc === 'function' ? (gc as () => void) : null
  } catch {
    return null
  }
}

/** Elsewhere: memory pressure by buffers that are dropped at once. */
function throwAwayBuffers(): void {
  for (let k = 0; k < 16; k++) new ArrayBuffer(32 * 2 ** 20)
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}
