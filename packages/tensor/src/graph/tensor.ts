/** The immutable tensor handle and the graph node behind it. */
import type { DType } from '../dtype.js'
import { ArgumentError } from '../errors.js'
import type { TensorMethods } from '../ops/methods.js'
import type { Backend, DeviceBuffer } from '../program/backend.js'
import type { PrimitiveAttrs, PrimitiveName, TensorSpec } from './primitive.js'

/**
 * `lazy`: a node not yet run; `pending`: its run is enqueued; `ready`: it has a value;
 * `donated`, `disposed`, `failed`: the value is gone and reading it throws.
 */
export type TensorState = 'lazy' | 'pending' | 'ready' | 'donated' | 'disposed' | 'failed'

/** Where a value lies: in host memory (bytes in the storage layout of the dtype) or in a buffer of a backend. */
export type Storage =
  | { readonly kind: 'host'; readonly bytes: Uint8Array }
  | { readonly kind: 'device'; readonly backend: Backend; readonly buffer: DeviceBuffer }

/** One application of a primitive. Ids grow, so a node's inputs have smaller ids. */
export interface Node<Op extends PrimitiveName = PrimitiveName> {
  readonly id: number
  readonly op: Op
  readonly inputs: readonly Tensor[]
  readonly attrs: PrimitiveAttrs[Op]
  readonly outputs: readonly TensorSpec[]
  /** `file:line` of the public call that made it, when sites are recorded. */
  readonly site: string | undefined
}

/**
 * An n-dimensional array of one dtype: lazy until evaluated, never changed by any operation.
 * Methods mirror the functions of the package (`x.add(y)` is `add(x, y)`).
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- methods are installed by ops/methods.ts
export class Tensor {
  /** Read-only. It is not frozen, because building a graph on frozen arrays takes twice the time; whoever writes into it gets an error. */
  readonly shape: readonly number[]
  readonly dtype: DType
  /** The graph behind a lazy tensor; null once it has a value. */
  node: Node | null
  /** Which output of the node this is. */
  readonly output: number
  storage: Storage | null = null
  state: TensorState
  /** Resolves when a pending value is there. */
  pending: Promise<void> | null = null
  /** Why the value is gone (`donated`, `disposed`, `failed`). */
  reason: unknown = undefined

  /** For the package only: tensors are made by `tensor(data)` and by operators. @throws ArgumentError for data */
  constructor(spec: TensorSpec, node: Node | null, output: number) {
    if (output === undefined)
      throw new ArgumentError(
        'Tensor: tensors are made by functions, got a call of the constructor; write tensor(data)',
      )
    this.shape = spec.shape
    this.dtype = spec.dtype
    this.node = node
    this.output = output
    this.state = node === null ? 'ready' : 'lazy'
  }

  get rank(): number {
    return this.shape.length
  }

  /** Number of elements. */
  get size(): number {
    let size = 1
    for (const extent of this.shape) size *= extent
    return size
  }
}
// eslint-disable-next-line @typescript-eslint/no-empty-object-type, @typescript-eslint/no-unsafe-declaration-merging
export interface Tensor extends TensorMethods {}

let nextNodeId = 1

/** Makes a node and its output tensors. Constructors in `primitives.ts` check operands before they call this. */
export function createNode<Op extends PrimitiveName>(
  op: Op,
  inputs: readonly Tensor[],
  attrs: PrimitiveAttrs[Op],
  outputs: readonly TensorSpec[],
): Tensor[] {
  const node: Node<Op> = { id: nextNodeId++, op, inputs, attrs, outputs, site: currentSite() }
  return outputs.map((spec, k) => new Tensor(spec, node as Node, k))
}

/** The id that the next node will get: nodes made from now on have this id or a greater one. */
export function nodeClock(): number {
  return nextNodeId
}

let siteRecorder: (() => string | undefined) | null = null
let lastSite: string | undefined

/** Turns the recording of call sites on (while a function is compiled, or for leak reports) or off (null). Returns the one before. */
export function recordSites(recorder: (() => string | undefined) | null): (() => string | undefined) | null {
  const before = siteRecorder
  siteRecorder = recorder
  return before
}

/** Nodes made inside `run` inherit `site` (backward nodes carry the site of their forward node). */
export function withSite<T>(site: string | undefined, run: () => T): T {
  const before = lastSite
  lastSite = site
  try {
    return run()
  } finally {
    lastSite = before
  }
}

function currentSite(): string | undefined {
  return lastSite ?? siteRecorder?.()
}

/** The node of a lazy tensor when it is an application of `op`. */
export function nodeOf<Op extends PrimitiveName>(tensor: Tensor, op: Op): Node<Op> | null {
  return tensor.node !== null && tensor.node.op === op ? (tensor.node as unknown as Node<Op>) : null
}
