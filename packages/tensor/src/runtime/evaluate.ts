/**
 * Running lazy graphs. Requests made in one tick become one program; programs are cached by the structure of the graph, so that
 * a loop of equal evaluations is planned and compiled once.
 */
import { buildValues } from '../compiler/build.js'
import { graphKey } from '../compiler/graphKey.js'
import { lowerGraph } from '../compiler/lower.js'
import { collectNodes } from '../compiler/value.js'
import { TracedValueError } from '../errors.js'
import type { Node, Tensor } from '../graph/tensor.js'
import { flattenTree, type Tree } from '../pytree.js'
import type { Backend, DeviceBuffer, Executable } from '../program/backend.js'
import { showShape } from '../shape.js'
import { isTraced } from '../transforms/trace.js'
import { checkDTypes } from './checkDTypes.js'
import { atCallSite } from './errorSite.js'
import { bindInput, checkBound, checkReadable } from './binding.js'
import { getDefaultBackend } from './defaultBackend.js'
import { LruCache } from './lru.js'
import { own, relieveMemory } from './memory.js'
import { runExecutable } from './recorder.js'
import { allocateOutputs, retryAfterCollection, settle } from './run.js'
import { sizeOf } from '../shape.js'
import { storedBytes } from './hostBytes.js'

interface Request {
  readonly tensors: readonly Tensor[]
  readonly backend: Backend
  readonly options: EvaluateOptions
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export interface EvaluateOptions {
  readonly backend?: Backend
  /** False: every operator is a step of its own (for tests: the bits are the same). */
  readonly fuse?: boolean
}

let queue: Request[] = []

/**
 * Computes the tensors of a tree and keeps exactly those; resolves when their values are there.
 *
 * @throws BackendUnavailableError without a backend, TracedValueError inside a transform, AllocationError beyond the memory
 * limit, DonatedError or DisposedError when the graph reads a tensor whose value is gone. Nothing is lost then: tensors
 * evaluated before keep their values.
 */
export async function evaluate(...trees: Tree[]): Promise<void> {
  await atCallSite(evaluateWith({}, trees))
}

export function evaluateWith(options: EvaluateOptions, tree: Tree): Promise<void> {
  const tensors = [...new Set(flattenTree(tree).leaves)]
  const pending: Promise<void>[] = []
  const lazy: Tensor[] = []
  try {
    for (const tensor of tensors) {
      checkReadable(tensor, 'evaluate')
      if (tensor.state === 'pending' && tensor.pending !== null) pending.push(tensor.pending)
      if (tensor.state !== 'lazy') continue
      if (isTraced(tensor))
        throw new TracedValueError(
          `evaluate: a tensor of shape ${showShape(tensor.shape)} depends on an argument of grad, vmap or compile and has no value there; return it from the function and read it outside`,
        )
      lazy.push(tensor)
    }
    if (lazy.length === 0) return Promise.all(pending).then(() => undefined)
    const backend = options.backend ?? getDefaultBackend()
    return Promise.all([...pending, enqueue(lazy, backend, options)]).then(() => undefined)
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)))
  }
}

function enqueue(tensors: readonly Tensor[], backend: Backend, options: EvaluateOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    queue.push({ tensors, backend, options, resolve, reject })
    if (queue.length === 1) queueMicrotask(() => void flush())
  })
}

/** Runs everything requested since the last flush: one program per backend and option. */
async function flush(): Promise<void> {
  const requests = queue
  queue = []
  const batches = new Map<string, Request[]>()
  const backends: Backend[] = []
  for (const request of requests) {
    if (!backends.includes(request.backend)) backends.push(request.backend)
    const key = `${backends.indexOf(request.backend)}|${request.options.fuse ?? true}`
    const batch = batches.get(key)
    if (batch === undefined) batches.set(key, [request])
    else batch.push(request)
  }
  for (const batch of batches.values()) await runBatch(batch)
}

async function runBatch(batch: readonly Request[]): Promise<void> {
  const [{ backend, options }] = batch
  try {
    const tensors = [...new Set(batch.flatMap((request) => request.tensors))]
    await relieveMemory(backend)
    // Another batch may have run some of them while this one waited.
    const lazy = tensors.filter((tensor) => tensor.state === 'lazy')
    if (lazy.length > 0) await retryAfterCollection(() => runGraph(lazy, backend, options.fuse ?? true))
    for (const tensor of tensors) if (tensor.pending !== null) await tensor.pending
    for (const tensor of tensors) checkReadable(tensor, 'evaluate')
    for (const request of batch) request.resolve()
  } catch (error) {
    // One bad request must not fail the others of its tick.
    if (batch.length > 1) for (const request of batch) await runBatch([request])
    else batch[0].reject(error)
  }
}

interface CachedProgram {
  readonly executable: Executable
}

const PROGRAM_CACHE_SIZE = 512
const caches = new WeakMap<Backend, LruCache<string, CachedProgram>>()

/** Counted since the start: graphs planned anew, and those found in the cache. */
export const evaluationCounters = { plans: 0, cacheHits: 0 }

function cacheOf(backend: Backend): LruCache<string, CachedProgram> {
  let cache = caches.get(backend)
  if (cache === undefined) {
    cache = new LruCache(PROGRAM_CACHE_SIZE, ({ executable }) => {
      if (!backend.closed) backend.unload(executable)
    })
    caches.set(backend, cache)
  }
  return cache
}

/** Routines that ran without being kept. Elementwise work is cheap to repeat and often is, on purpose. */
const computedBefore = new WeakSet<Node>()
const COSTLY: ReadonlySet<string> = new Set([
  'matmul',
  'groupedMatmul',
  'quantMatmul',
  'groupedQuantMatmul',
  'conv',
  'attention',
  'attentionGrad',
  'sort',
  'scan',
])
let recomputationReported = false

/** Says once that a costly value is computed again because it was not among the tensors that were evaluated. */
function reportRecomputation(nodes: readonly Node[]): void {
  for (const node of nodes) {
    if (!COSTLY.has(node.op)) continue
    if (computedBefore.has(node) && !recomputationReported) {
      recomputationReported = true
      console.warn(
        `tarazed: evaluate: ${node.op} ${showShape(node.outputs[0].shape)}${node.site === undefined ? '' : ` (${node.site})`} is computed again, because evaluate keeps only the tensors that it is given; evaluate them together: await evaluate(a, b)`,
      )
    }
    computedBefore.add(node)
  }
}

async function runGraph(outputs: readonly Tensor[], backend: Backend, fuse: boolean): Promise<void> {
  const nodes = collectNodes(outputs)
  reportRecomputation(nodes)
  const key = graphKey(nodes, outputs, fuse)
  const cache = cacheOf(backend)
  let cached = cache.get(key.text)
  if (cached === undefined) {
    checkDTypes(outputs, backend)
    const built = buildValues(outputs, [], { capabilities: backend.capabilities, scalars: 'param' })
    const { program } = lowerGraph(built.graph, { capabilities: backend.capabilities, fuse, donated: new Set() })
    cached = { executable: await backend.load(program) }
    evaluationCounters.plans++
    cache.set(key.text, cached)
  } else evaluationCounters.cacheHits++
  for (const leaf of key.leaves) if (leaf.pending !== null && leaf.storage === null) await leaf.pending
  const inputs = await Promise.all(key.leaves.map((leaf) => bindInput(leaf, backend)))
  // While inputs were uploaded a tensor may have been donated or disposed.
  key.leaves.forEach((leaf, k) => checkBound(leaf, inputs[k], backend))
  const { float64 } = backend.capabilities
  const sizes = outputs.map((tensor) => sizeOf(tensor.shape) * storedBytes(tensor.dtype, float64))
  const buffers: DeviceBuffer[] = allocateOutputs(backend, sizes)
  const run = runExecutable(backend, cached.executable, { inputs, outputs: buffers, params: key.params })
  outputs.forEach((tensor, k) => {
    own(tensor, backend, buffers[k])
    tensor.node = null
    tensor.state = 'pending'
  })
  settle(outputs, run)
}
