/** A module, or any tree, as a flat record of named tensors, and back. */
import { ArgumentError, DTypeError, ShapeError, Tensor, flattenTree } from '@tarazed/tensor'
import { requireTensor, shown } from './check.js'
import { parameterName } from './parameterNames.js'

/** Every tensor of a tree by its name, in the order of the fields: `{ 'layers.0.proj.weight': Tensor, … }`. */
export function parameters(tree: unknown): Record<string, Tensor> {
  const { leaves, def } = flattenTree(tree)
  return Object.fromEntries(leaves.map((leaf, k) => [parameterName(def.paths[k]), leaf]))
}

/**
 * The same tree with other tensors.
 *
 * @param record one tensor for every name of `parameters(tree)`, of the same shape and dtype
 * @throws ArgumentError when names are missing or unknown, ShapeError and DTypeError when a tensor does not fit
 */
export function withParameters<T>(tree: T, record: Readonly<Record<string, Tensor>>): T {
  if (typeof record !== 'object' || record === null || record instanceof Tensor)
    throw new ArgumentError(
      `withParameters: the parameters are a record of tensors by name, got ${shown(record)}; give what parameters(module) returns`,
    )
  const { leaves, def } = flattenTree(tree)
  const names = def.paths.map(parameterName)
  checkNames(names, record)
  return def.build(names.map((name, k) => fitting(name, leaves[k], record[name]))) as T
}

/** How many numbers the tensors of a tree hold together. */
export function parameterCount(tree: unknown): number {
  return flattenTree(tree).leaves.reduce((sum, leaf) => sum + leaf.size, 0)
}

function checkNames(names: readonly string[], record: Readonly<Record<string, Tensor>>): void {
  const known = new Set(names)
  const missing = names.filter((name) => record[name] === undefined)
  const unknown = Object.keys(record).filter((name) => !known.has(name))
  if (missing.length > 0)
    throw new ArgumentError(
      `withParameters: every parameter needs a value, got none for ${listed(missing)}; give all of parameters(module)`,
    )
  if (unknown.length > 0)
    throw new ArgumentError(
      `withParameters: the module has no ${listed(unknown)}; its parameters are ${listed(names)}; rename or drop it`,
    )
}

function fitting(name: string, old: Tensor, value: Tensor): Tensor {
  requireTensor('withParameters', name, value)
  if (value.shape.length !== old.shape.length || value.shape.some((extent, k) => extent !== old.shape[k]))
    throw new ShapeError(
      `withParameters: ${name} is [${old.shape.join(', ')}] in the module, got [${value.shape.join(', ')}]; reshape it, or make the module with its sizes`,
    )
  if (value.dtype !== old.dtype)
    throw new DTypeError(`withParameters: ${name} is ${old.dtype} in the module, got ${value.dtype}; cast it first`)
  return value
}

function listed(names: readonly string[]): string {
  return names.length <= 6 ? names.join(', ') : `${names.slice(0, 6).join(', ')} and ${names.length - 6} more`
}
