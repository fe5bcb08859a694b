/**
 * `compile(fn)`: traces a function once per signature and replays it: no graph building, no planning and, with donated arguments, no
 * allocation in the steady state.
 */
import { dtypeBytes } from '../dtype.js'
import { buildValues } from '../compiler/build.js'
import { lowerGraph } from '../compiler/lower.js'
import { ArgumentError, DonatedError, TracedValueError } from '../errors.js'
import { placeholder } from '../graph/primitives.js'
import { recordSites, Tensor } from '../graph/tensor.js'
import { show } from '../ops/check.js'
import { checkOptions } from '../ops/options.js'
import { flattenTree, type TreeDef } from '../pytree.js'
import type { Backend, DeviceBuffer, Executable } from '../program/backend.js'
import type { Program } from '../program/ir.js'
import { bindInput, checkReadable, checkSize } from '../runtime/binding.js'
import { checkDTypes } from '../runtime/checkDTypes.js'
import { withCallSite } from '../runtime/errorSite.js'
import { callSite } from '../runtime/callSite.js'
import { getDefaultBackend, requireBackend } from '../runtime/defaultBackend.js'
import { evaluateWith } from '../runtime/evaluate.js'
import { bytesToDeviceBytes, deviceBytesToBytes, storedBytes } from '../runtime/hostBytes.js'
import { copyOf, disown, own, relieveMemory } from '../runtime/memory.js'
import { runExecutable } from '../runtime/recorder.js'
import { allocateOutputs, retryAfterCollection, settle } from '../runtime/run.js'
import { showShape, sizeOf } from '../shape.js'
import { isTraced, oldestTraceMark, runTrace } from './trace.js'
import { flattenResult, requireFunction } from './traced.js'

/** Options of `compile`. */
export interface CompileOptions {
  /** Arguments whose buffers may be overwritten: positions, or names as written in the function. Their tensors are dead after the call. */
  readonly donate?: readonly (number | string)[]
  readonly backend?: Backend
  /** False: every operator is a step of its own (for tests: the bits are the same). */
  readonly fuse?: boolean
}

/** Counts since a function was compiled; in the steady state only `runs` grows. */
export interface CompileStats {
  /** Times the function itself ran. */
  traces: number
  /** Programs planned and loaded. */
  plans: number
  runs: number
  /** Device buffers allocated by calls, staging included. */
  allocations: number
}

/** What `compile` returns: call it as the function itself and await the result. */
export interface CompiledFunction<A extends readonly unknown[], R> {
  (...args: A): Promise<R>
  readonly stats: CompileStats
  /** The program for these arguments, traced if it was not before; nothing runs. */
  program(...args: A): Promise<Program>
}

/** More signatures than this mean that something that changes with every call is baked into the program. */
const MAX_VARIANTS = 16
/** Shapes of leaves in a signature. */
const SHAPES = /(f32|f16|i32|u32|i8|u8|bool)\[[\d,]*\]/g
/** Results up to this size come back to the host with the run, so that reading a loss costs nothing and frees nothing. */
const SMALL_RESULT_BYTES = 64
/** Arguments up to this size that lie on the host are written to a standing buffer with every call. */
const STAGED_BYTES = 2 ** 20

/**
 * A function that runs `fn` as one program. Tensors in the arguments are run-time values; numbers, strings and booleans are part of
 * the signature. Tensors that `fn` closes over are inputs too, but are never donated.
 *
 * The call resolves when fewer than two runs are in flight; reading a result waits for its run.
 *
 * @throws ArgumentError at the 17th signature; DonatedError when a donated tensor is used twice or captured;
 * TracedValueError when called inside another transform (call the plain function there)
 */
export function compile<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  options: CompileOptions = {},
): CompiledFunction<A, R> {
  requireFunction('compile', fn)
  const { donate = [], backend } = checkOptions('compile', options, ['donate', 'backend', 'fuse'])
  if (!Array.isArray(donate))
    throw new ArgumentError(`compile: donate must be a list of arguments, got ${show(donate)}; write { donate: [0] }`)
  if (backend !== undefined) requireBackend('compile', backend)
  const compiled = new Compiled(fn, options)
  const call = (...args: A): Promise<R> => {
    refuseTraced(args)
    return compiled.call(args)
  }
  return Object.assign(call, { stats: compiled.stats, program: (...args: A) => compiled.program(args) })
}

/** Thrown at once, not by the promise: inside a transform nobody would wait for it. */
function refuseTraced(args: readonly unknown[]): void {
  if (oldestTraceMark() === Infinity || !flattenTree(args).leaves.some(isTraced)) return
  throw new TracedValueError(
    'compile: a compiled function was called inside another transform, where its arguments have no values; call the plain function there',
  )
}

interface Variant {
  readonly backend: Backend
  readonly executable: Executable
  readonly captured: readonly Tensor[]
  readonly result: TreeDef
  readonly outputs: readonly OutputPlan[]
  /** Leaf index of an input -> whether its buffer is an output now. */
  readonly reused: ReadonlyMap<number, number>
  /** Of every leaf; a shape that was written to from outside does not fit its buffer. */
  readonly inputBytes: readonly number[]
  /** Standing buffers for arguments that come from the host. */
  readonly staging: (DeviceBuffer | null)[]
}

interface OutputPlan {
  readonly shape: readonly number[]
  readonly dtype: Tensor['dtype']
  readonly bytes: number
  /** The donated leaf whose buffer it takes over. */
  readonly aliasOf: number | undefined
  /** A standing buffer that is copied to the host after every run. */
  readonly small: DeviceBuffer | null
}

class Compiled<A extends readonly unknown[], R> {
  readonly stats: CompileStats = { traces: 0, plans: 0, runs: 0, allocations: 0 }
  readonly #fn: (...args: A) => R
  readonly #options: CompileOptions
  readonly #variants = new Map<string, Promise<Variant>>()
  #lastKeys: readonly string[] = []
  #donated: ReadonlySet<number> | null = null

  constructor(fn: (...args: A) => R, options: CompileOptions) {
    this.#fn = fn
    this.#options = options
  }

  async call(args: A): Promise<R> {
    try {
      return await this.#call(args)
    } catch (error) {
      throw withCallSite(error)
    }
  }

  async #call(args: A): Promise<R> {
    const backend = this.#options.backend ?? getDefaultBackend()
    const { leaves, defs, keys, argOf } = this.#flatten(args)
    const lazy = this.#checkLeaves(leaves)
    if (lazy.length > 0) await evaluateWith({ backend }, lazy)
    const donated = this.#donatedLeaves(args, argOf)
    this.#checkDonated(leaves, donated)
    const variant = await this.#variant(backend, leaves, defs, keys, donated)
    for (const tensor of variant.captured) if (donatedTensor(leaves, donated, tensor)) throw capturedDonation(tensor)
    await relieveMemory(backend)
    const { result, run } = await retryAfterCollection(() => this.#run(variant, leaves, donated))
    await throttle(backend, run)
    return result as R
  }

  async program(args: A): Promise<Program> {
    const backend = this.#options.backend ?? getDefaultBackend()
    const { leaves, defs, keys, argOf } = this.#flatten(args)
    return (await this.#variant(backend, leaves, defs, keys, this.#donatedLeaves(args, argOf))).executable.program
  }

  #flatten(args: A): { leaves: Tensor[]; defs: TreeDef[]; keys: string[]; argOf: number[] } {
    const leaves: Tensor[] = []
    const defs: TreeDef[] = []
    const keys: string[] = []
    const argOf: number[] = []
    args.forEach((arg, position) => {
      const flat = flattenTree(arg, `argument ${position}`)
      defs.push(flat.def)
      let key = flat.def.key
      for (const leaf of flat.leaves) {
        leaves.push(leaf)
        argOf.push(position)
        key += `${leaf.dtype}[${leaf.shape.join(',')}]`
      }
      keys.push(key)
    })
    return { leaves, defs, keys, argOf }
  }

  #checkLeaves(leaves: readonly Tensor[]): Tensor[] {
    const lazy: Tensor[] = []
    for (const leaf of leaves) {
      checkReadable(leaf, 'compile')
      if (leaf.state !== 'lazy') continue
      lazy.push(leaf)
    }
    return lazy
  }

  #donatedLeaves(args: A, argOf: readonly number[]): ReadonlySet<number> {
    this.#donated ??= donatedPositions(this.#fn, this.#options.donate ?? [], args.length)
    const positions = this.#donated
    const donated = new Set<number>()
    if (positions.size > 0) argOf.forEach((position, leaf) => positions.has(position) && donated.add(leaf))
    return donated
  }

  #checkDonated(leaves: readonly Tensor[], donated: ReadonlySet<number>): void {
    if (donated.size === 0) return
    const seen = new Map<Tensor, number>()
    leaves.forEach((leaf, k) => {
      const before = seen.get(leaf)
      if (before !== undefined && (donated.has(k) || donated.has(before)))
        throw new DonatedError(
          `compile: a donated tensor may be passed once, but ${leaf.dtype} ${showShape(leaf.shape)} is passed ${donated.has(k) && donated.has(before) ? 'twice' : 'donated and undonated'}; pass a copy or do not donate it`,
        )
      seen.set(leaf, k)
    })
  }

  async #variant(
    backend: Backend,
    leaves: readonly Tensor[],
    defs: readonly TreeDef[],
    keys: readonly string[],
    donated: ReadonlySet<number>,
  ): Promise<Variant> {
    const key = `${backendNumber(backend)}|${keys.join('|')}`
    let variant = this.#variants.get(key)
    if (variant === undefined) {
      if (this.#variants.size >= MAX_VARIANTS) throw this.#tooManyVariants(keys)
      variant = this.#trace(backend, leaves, defs, donated)
      this.#variants.set(key, variant)
      variant.catch(() => this.#variants.delete(key))
    }
    this.#lastKeys = keys
    return variant
  }

  #tooManyVariants(keys: readonly string[]): ArgumentError {
    const changed = keys.findIndex((key, k) => key !== this.#lastKeys[k])
    const [before, now] = [this.#lastKeys[changed] ?? '', keys[changed] ?? '']
    const onlyShapes = before.replace(SHAPES, '$1') === now.replace(SHAPES, '$1')
    const wayOut = onlyShapes
      ? 'pad it to one of a few fixed sizes and mask the rest, or keep shapes that vary outside of the compiled function'
      : 'pass a number that changes as a tensor: scalar(i)'
    return new ArgumentError(
      `compile: a function may have ${MAX_VARIANTS} signatures, and ${changed < 0 ? 'the backend' : `argument ${changed}`} has changed again (${shorten(before)} to ${shorten(now)}); ${wayOut}`,
    )
  }

  async #trace(
    backend: Backend,
    leaves: readonly Tensor[],
    defs: readonly TreeDef[],
    donated: ReadonlySet<number>,
  ): Promise<Variant> {
    this.stats.traces++
    const { capabilities } = backend
    const placeholders = leaves.map((leaf) => placeholder(leaf.shape, leaf.dtype))
    const recorder = recordSites(callSite)
    const traced = (() => {
      try {
        return runTrace(() =>
          flattenResult('compile', this.#fn(...(buildArguments(defs, placeholders) as unknown as A))),
        )
      } finally {
        recordSites(recorder)
      }
    })()
    checkDTypes(traced.leaves, backend)
    const built = buildValues(traced.leaves, placeholders, { capabilities, scalars: 'constant' })
    warnAboutKeys(built.captured)
    const { program, reused } = lowerGraph(built.graph, { capabilities, fuse: this.#options.fuse ?? true, donated })
    this.stats.plans++
    const executable = await backend.load(program)
    const aliasOf = new Map([...reused].map(([input, output]) => [output, input]))
    const outputs = traced.leaves.map((leaf, k): OutputPlan => {
      const bytes = sizeOf(leaf.shape) * storedBytes(leaf.dtype, capabilities.float64)
      const small = !aliasOf.has(k) && bytes <= SMALL_RESULT_BYTES ? this.#allocate(backend, bytes) : null
      return { shape: leaf.shape, dtype: leaf.dtype, bytes, aliasOf: aliasOf.get(k), small }
    })
    return {
      backend,
      executable,
      captured: built.captured,
      result: traced.def,
      outputs,
      reused,
      staging: leaves.map(() => null),
      inputBytes: leaves.map((leaf) => sizeOf(leaf.shape) * storedBytes(leaf.dtype, capabilities.float64)),
    }
  }

  #allocate(backend: Backend, bytes: number): DeviceBuffer {
    this.stats.allocations++
    return backend.allocate(bytes)
  }

  async #run(
    variant: Variant,
    leaves: readonly Tensor[],
    donated: ReadonlySet<number>,
  ): Promise<{ result: unknown; run: Promise<void> }> {
    const { backend, outputs } = variant
    const inputs: DeviceBuffer[] = []
    for (const [k, leaf] of leaves.entries()) {
      const bound = this.#stage(variant, k, leaf, donated.has(k))
      inputs.push(bound instanceof Promise ? await bound : bound)
    }
    for (const tensor of variant.captured) inputs.push(await bindReady(tensor, backend))
    // From here to the end of the function nothing else can run: what was checked stays true until the run is enqueued.
    for (const leaf of leaves) checkReadable(leaf, 'compile')
    const fresh = outputs.filter((output) => output.aliasOf === undefined && output.small === null)
    const buffers = allocateOutputs(
      backend,
      fresh.map((output) => output.bytes),
    )
    this.stats.allocations += fresh.length
    let next = 0
    const bound = outputs.map((output) =>
      output.aliasOf !== undefined ? inputs[output.aliasOf] : (output.small ?? buffers[next++]),
    )
    const run = runExecutable(backend, variant.executable, { inputs, outputs: bound, params: [] })
    this.stats.runs++
    for (const k of donated) this.#giveAway(leaves[k], variant, k)
    const results = outputs.map((output, k) => this.#resultTensor(output, bound[k], backend, run))
    settle(
      results.filter((_, k) => outputs[k].small === null),
      run,
    )
    return { result: variant.result.build(results), run }
  }

  /** The buffer of an argument; small host values go to a standing buffer of the variant. */
  #stage(variant: Variant, k: number, leaf: Tensor, isDonated: boolean): DeviceBuffer | Promise<DeviceBuffer> {
    const { backend } = variant
    const { storage } = leaf
    if (storage?.kind === 'device' && storage.backend === backend) {
      if (storage.buffer.bytes < variant.inputBytes[k]) checkSize(leaf, storage.buffer.bytes, dtypeBytes(leaf.dtype))
      return storage.buffer
    }
    if (isDonated || storage?.kind !== 'host' || storage.bytes.byteLength > STAGED_BYTES)
      return bindReady(leaf, backend)
    const copy = copyOf(leaf, backend)
    if (copy !== undefined) return copy.buffer
    checkSize(leaf, storage.bytes.byteLength, dtypeBytes(leaf.dtype))
    const bytes = bytesToDeviceBytes(storage.bytes, leaf.dtype, backend.capabilities.float64)
    const buffer = (variant.staging[k] ??= this.#allocate(backend, bytes.byteLength))
    void backend.write(buffer, bytes).catch(() => undefined)
    return buffer
  }

  #giveAway(leaf: Tensor, variant: Variant, k: number): void {
    const buffer = disown(leaf, variant.backend)
    leaf.state = 'donated'
    leaf.pending = null
    if (buffer !== null && !variant.reused.has(k)) variant.backend.free(buffer)
  }

  #resultTensor(output: OutputPlan, buffer: DeviceBuffer, backend: Backend, run: Promise<void>): Tensor {
    const tensor = new Tensor({ shape: output.shape, dtype: output.dtype }, null, 0)
    tensor.state = 'pending'
    if (output.small === null) {
      own(tensor, backend, buffer)
      return tensor
    }
    // Enqueued right behind the run, so the next run cannot overwrite it first.
    const read = backend.read(buffer)
    const { float64 } = backend.capabilities
    const value = run
      .then(() => read)
      .then((bytes) => {
        tensor.storage = { kind: 'host', bytes: deviceBytesToBytes(bytes, output.dtype, float64) }
      })
    read.catch(() => undefined)
    settle([tensor], value)
    return tensor
  }
}

function buildArguments(defs: readonly TreeDef[], leaves: readonly Tensor[]): unknown[] {
  let at = 0
  return defs.map((def) => {
    const slice = leaves.slice(at, at + def.leafCount)
    at += def.leafCount
    return def.build(slice)
  })
}

async function bindReady(tensor: Tensor, backend: Backend): Promise<DeviceBuffer> {
  if (tensor.pending !== null && tensor.storage === null) await tensor.pending
  return bindInput(tensor, backend)
}

function donatedTensor(leaves: readonly Tensor[], donated: ReadonlySet<number>, tensor: Tensor): boolean {
  for (const k of donated) if (leaves[k] === tensor) return true
  return false
}

function capturedDonation(tensor: Tensor): DonatedError {
  return new DonatedError(
    `compile: tensor ${tensor.dtype} ${showShape(tensor.shape)} is donated but the function also captures it; pass it as an argument only`,
  )
}

/** Positions named by `donate`. Names are looked up in the source text of the function, which minifiers may have changed. */
function donatedPositions(
  fn: (...args: never[]) => unknown,
  donate: readonly (number | string)[],
  count: number,
): ReadonlySet<number> {
  if (donate.length === 0) return new Set()
  const names = parameterNames(fn)
  return new Set(
    donate.map((entry) => {
      const position = typeof entry === 'number' ? entry : positionOf(entry, names)
      if (!Number.isInteger(position) || position < 0 || position >= Math.max(count, names.length))
        throw new ArgumentError(
          `compile: donate must name arguments of the function, got ${JSON.stringify(entry)} for (${names.join(', ')}); use positions where names are minified`,
        )
      return position
    }),
  )
}

/** Bundlers rename `w` to `w2` where an outer `w` is in the way, so a name with digits behind it is taken when it is the only one. */
function positionOf(name: string, names: readonly string[]): number {
  const exact = names.indexOf(name)
  if (exact >= 0) return exact
  const renamed = names.filter((candidate) => candidate.startsWith(name) && /^\d+$/.test(candidate.slice(name.length)))
  return renamed.length === 1 ? names.indexOf(renamed[0]) : -1
}

/** Names of the parameters in order; one that is destructured has none. Empty where the source cannot be read. */
function parameterNames(fn: (...args: never[]) => unknown): string[] {
  const source = Function.prototype.toString.call(fn)
  const single = /^\s*(?:async\s+)?([A-Za-z_$][\w$]*)\s*=>/.exec(source)
  if (single !== null) return [single[1]]
  return topLevelParts(source.slice(source.indexOf('(') + 1)).map(
    (part) => /^[A-Za-z_$][\w$]*/.exec(part.trim())?.[0] ?? '',
  )
}

/** The text up to the bracket that closes a list, cut at the commas that are in no inner bracket. */
function topLevelParts(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let begin = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if ('([{'.includes(char)) depth++
    else if (depth > 0 && ')]}'.includes(char)) depth--
    else if (depth === 0 && (char === ',' || char === ')')) {
      parts.push(text.slice(begin, at))
      begin = at + 1
      if (char === ')') break
    }
  }
  return parts.filter((part) => part.trim() !== '')
}

function warnAboutKeys(captured: readonly Tensor[]): void {
  const key = captured.find((tensor) => tensor.dtype === 'u32' && tensor.shape.length === 1 && tensor.shape[0] === 2)
  if (key !== undefined)
    console.warn(
      'tarazed: compile: the function captures what looks like a random key, so every call draws the same numbers; pass the key as an argument',
    )
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

const numbers = new WeakMap<Backend, number>()
let nextBackendNumber = 1

function backendNumber(backend: Backend): number {
  let known = numbers.get(backend)
  if (known === undefined) numbers.set(backend, (known = nextBackendNumber++))
  return known
}

const inFlight = new WeakMap<Backend, Promise<void>[]>()

/** Waits until fewer than two runs are in flight. */
async function throttle(backend: Backend, run: Promise<void>): Promise<void> {
  let runs = inFlight.get(backend)
  if (runs === undefined) inFlight.set(backend, (runs = []))
  const list = runs
  const done = run
    .catch(() => undefined)
    .then(() => {
      const at = list.indexOf(done)
      if (at >= 0) void list.splice(at, 1)
    })
  list.push(done)
  while (list.length >= 2) await list[0]
}
