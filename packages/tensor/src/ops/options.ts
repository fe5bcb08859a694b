/** The options object of a public function, checked: plain JavaScript has no types that would refuse a wrong one. */
import { ArgumentError } from '../errors.js'
import { Tensor } from '../graph/tensor.js'
import { show } from './check.js'

/** Which option a value given in place of the options object was probably meant for, by its type. */
const USUAL: Readonly<Record<string, RegExp>> = {
  string: /^(dtype|mode|approximate|reduction|causal|activations)$/,
  number: /^(axis|axes|eps|k|m|step|groups|kernel|min|lr|value|correction)$/,
  boolean: /^(keepdims|descending|largest|reverse|exclusive|alignCorners|copy|hasAux)$/,
  object: /^(shape|axes|mask)$/,
}

/** Names that other libraries use. */
const FOREIGN: Readonly<Record<string, RegExp>> = {
  dim: /^(axis|axes)$/,
  dims: /^axes$/,
  learningrate: /^lr$/,
  size: /^(kernel|shape)$/,
}

/**
 * Checks an options object and returns it (an empty one for undefined).
 *
 * For packages that build on this one too. Costs a walk over the given options, about 30 ns.
 * @param op names the function in messages
 * @param names all options, the most used one first
 * @param needed options that must be given
 * @throws ArgumentError for anything but an object, an option that is not among `names` (with the nearest name), or a
 *   missing one
 */
export function checkOptions<T extends object>(
  op: string,
  options: T | undefined,
  names: readonly (keyof T & string)[],
  needed: readonly (keyof T & string)[] = NONE,
): T {
  if (options === undefined) options = EMPTY as T
  else if (!isOptions(options)) throw notAnObject(op, options, needed.length > 0 ? needed : names, needed)
  for (const name in options) if (!names.includes(name)) throw unknownOption(op, name, names)
  for (const name of needed) if (options[name] === undefined) throw missing(op, name, needed)
  return options
}

const NONE: readonly never[] = []
const EMPTY = Object.freeze({})

function isOptions(value: unknown): boolean {
  // The common case first: a literal.
  if (value !== null && (value as object).constructor === Object) return true
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof Tensor) &&
    !(value instanceof Promise)
  )
}

function notAnObject(op: string, value: unknown, names: readonly string[], needed: readonly string[]): ArgumentError {
  const usual = USUAL[typeof value]
  const name = (usual !== undefined && names.find((candidate) => usual.test(candidate))) || names[0]
  const form = needed.length > 1 ? needed.map((each) => `${each}: …`).join(', ') : `${name}: ${literal(value)}`
  return new ArgumentError(
    `${op}: options must be an object, got ${show(value)}; write { ${form} }${value instanceof Promise ? ' after awaiting it' : ''}`,
  )
}

function unknownOption(op: string, name: string, names: readonly string[]): ArgumentError {
  const near = nearest(name, names)
  const wayOut = near === undefined ? `remove ${name}` : `did you mean ${near}?`
  return new ArgumentError(
    `${op}: the options are ${names.length === 0 ? 'none' : names.join(', ')}, got ${name}; ${wayOut}`,
  )
}

function missing(op: string, name: string, needed: readonly string[]): ArgumentError {
  const form = needed.map((each) => `${each}: …`).join(', ')
  return new ArgumentError(`${op}: the options must give ${needed.join(', ')}, got no ${name}; write { ${form} }`)
}

function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value.slice(0, 40)}'`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value) && value.length <= 8 && value.every((n) => typeof n === 'number'))
    return `[${value.join(', ')}]`
  return '…'
}

/** The known name that a wrong one was probably meant for. */
function nearest(wrong: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.replaceAll('_', '').toLowerCase()
  const given = plain(wrong)
  const foreign = FOREIGN[given]
  if (foreign !== undefined) return names.find((name) => foreign.test(name))
  const isPart = (name: string): boolean =>
    Math.min(name.length, given.length) > 2 && (name.startsWith(given) || given.startsWith(name))
  return (
    names.find((name) => plain(name) === given) ??
    names.find((name) => isPart(plain(name))) ??
    names.find((name) => distance(plain(name), given) <= (given.length > 3 ? 2 : 1))
  )
}

/** Insertions, deletions and replacements between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, k) => k)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]
}
