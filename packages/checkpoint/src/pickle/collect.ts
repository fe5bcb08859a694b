/** Finds the tensors in what a pickle holds, and names them. */
import { CheckpointError, quoted } from '../errors.js'
import { type PickleMode } from './unpickler.js'
import { PyDict, PyRecord, PySet, PyTensor, PyTuple, type PyValue } from './values.js'

/** Tensors by name and plain values of a pickle. */
export interface PickleContents {
  readonly tensors: ReadonlyMap<string, PyTensor>
  /** Top-level values that are no tensors and hold none, as JavaScript values. */
  readonly metadata: ReadonlyMap<string, unknown>
  readonly warnings: readonly string[]
}

/** Where training tools put the weights, beside optimiser states and counters. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'module']

/** Shared parts count each time they are met, so that a small file cannot unfold without end. */
const MOST_VISITS = 2 ** 20
const MOST_DEPTH = 64

/**
 * Names tensors by their keys joined with dots. In mode `weights` a dictionary under a usual key (`state_dict`, `model`,
 * …) beside values that are no tensors is taken as the weights, and what is left out becomes a warning.
 */
export function collectTensors(file: string, top: PyValue, mode: PickleMode): PickleContents {
  const collector = new Collector(file)
  if (top instanceof PyTensor) return { tensors: new Map([['tensor', top]]), metadata: new Map(), warnings: [] }
  const wrapper = mode === 'weights' ? findWrapper(top) : undefined
  collector.visit(wrapper === undefined ? top : wrapper.value, [])
  const { tensors } = collector
  if (tensors.size === 0)
    throw new CheckpointError({
      file,
      rule: 'the pickle must hold tensors',
      got: 'none',
      wayOut: 'is it another file?',
    })
  const metadata = plainValues(top)
  if (wrapper === undefined) return { tensors, metadata, warnings: [] }
  const others = new Collector(file)
  const left = new PyDict()
  left.entries.push(...(top as PyDict).entries.filter(([key]) => key !== wrapper.key))
  others.visit(left, [])
  const names = [...others.tensors.keys()].slice(0, 4).map(quoted).join(', ')
  const note = `${file}: reads the tensors under ${quoted(wrapper.key)} and leaves out ${others.tensors.size} others: ${names}`
  return { tensors, metadata, warnings: others.tensors.size > 0 ? [note] : [] }
}

function findWrapper(top: PyValue): { readonly key: string; readonly value: PyDict } | undefined {
  if (!(top instanceof PyDict) || top.entries.some(([, value]) => value instanceof PyTensor)) return undefined
  for (const key of WRAPPERS) {
    const value = top.entries.find(([candidate]) => candidate === key)?.[1]
    if (value instanceof PyDict && value.entries.some(([, inner]) => inner instanceof PyTensor)) return { key, value }
  }
  return undefined
}

class Collector {
  readonly tensors = new Map<string, PyTensor>()
  readonly #file: string
  #visits = 0

  constructor(file: string) {
    this.#file = file
  }

  visit(value: PyValue, path: readonly string[]): void {
    if (++this.#visits > MOST_VISITS) this.#fail(`a pickle may unfold into ${MOST_VISITS} values`, 'more')
    if (value instanceof PyTensor) this.#add(path.join('.'), value)
    else for (const [key, inner] of childrenOf(value)) this.#enter(key, inner, path)
  }

  #enter(key: string, inner: PyValue, path: readonly string[]): void {
    if (typeof inner !== 'object' || inner === null) {
      this.#visits++
      return
    }
    if (path.length >= MOST_DEPTH) this.#fail(`a pickle may be nested ${MOST_DEPTH} deep`, 'more, or a loop')
    this.visit(inner, [...path, key])
  }

  #add(name: string, tensor: PyTensor): void {
    if (this.tensors.has(name)) this.#fail(`tensor ${quoted(name)} may be named once`, 'two of them')
    this.tensors.set(name, tensor)
  }

  #fail(rule: string, got: string): never {
    throw new CheckpointError({ file: this.#file, rule, got })
  }
}

function* childrenOf(value: PyValue): Iterable<readonly [string, PyValue]> {
  if (value instanceof PyDict) for (const [key, inner] of value.entries) yield [keyText(key), inner]
  else if (value instanceof PyTuple) yield* numbered(value.items)
  else if (value instanceof PySet) yield* numbered(value.items)
  else if (Array.isArray(value)) yield* numbered(value)
  else if (value instanceof PyRecord) {
    yield* childrenOf(value.dict)
    yield* numbered(value.items)
    if (value.state instanceof PyDict) yield* childrenOf(value.state)
    else yield* numbered([value.state])
    if (value.args.length > 0) yield ['args', new PyTuple(value.args)]
  }
}

function numbered(items: readonly PyValue[]): (readonly [string, PyValue])[] {
  return items.map((item, k) => [String(k), item] as const)
}

function keyText(key: PyValue): string {
  if (typeof key === 'object' && key !== null) return key instanceof PyTuple ? key.items.map(keyText).join('-') : '?'
  return String(key)
}

/** The values of a dictionary that are plain all the way down and small. */
function plainValues(top: PyValue): ReadonlyMap<string, unknown> {
  const metadata = new Map<string, unknown>()
  if (!(top instanceof PyDict)) return metadata
  for (const [key, value] of top.entries) {
    const plain = typeof key === 'string' ? plainOf(value, { left: 1000 }, 0) : undefined
    if (plain !== undefined) metadata.set(key as string, plain)
  }
  return metadata
}

/** undefined when tensors are inside, or too much. Records become `{ class, args, … }`. */
function plainOf(value: PyValue, budget: { left: number }, depth: number): unknown {
  if (budget.left-- <= 0 || depth > 8) return undefined
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (value instanceof PyRecord) {
    const state = value.state instanceof PyDict ? plainOf(value.state, budget, depth + 1) : undefined
    const args = value.args.map((item) => plainOf(item, budget, depth + 1))
    return { class: value.path, args: args.includes(undefined) ? [] : args, ...(state as object | undefined) }
  }
  if (value instanceof PyDict) {
    const entries = value.entries.map(([key, inner]) => [keyText(key), plainOf(inner, budget, depth + 1)] as const)
    return entries.some(([, inner]) => inner === undefined) ? undefined : Object.fromEntries(entries)
  }
  const items = value instanceof PyTuple || value instanceof PySet ? value.items : value
  if (!Array.isArray(items)) return undefined
  const plain = items.map((item) => plainOf(item, budget, depth + 1))
  return plain.includes(undefined) ? undefined : plain
}
