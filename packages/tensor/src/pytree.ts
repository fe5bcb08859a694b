/**
 * Trees of tensors: arguments and results of transformed functions may be tensors, arrays, plain objects and modules of them.
 * Leaves are tensors; numbers, strings, booleans, null and undefined are static data.
 */
import { ArgumentError } from './errors.js'
import { Tensor } from './graph/tensor.js'

/** Anything a transformed function takes or gives. */
export type Tree = unknown

/** Objects that are flattened by themselves (modules): children by name, and how to build a copy around new children. */
export interface TreeNode {
  treeFlatten(): { readonly children: Readonly<Record<string, Tree>>; readonly staticKey: string }
  treeUnflatten(children: Readonly<Record<string, Tree>>): unknown
}

function isTreeNode(value: object): value is TreeNode {
  return typeof (value as Partial<TreeNode>).treeFlatten === 'function'
}

/** The shape of a tree without its tensors. `key` is equal for equal structures and static leaves. */
export interface TreeDef {
  readonly key: string
  readonly leafCount: number
  /** The path of every leaf, as `params.layers[0].weight`. */
  readonly paths: readonly string[]
  build(leaves: readonly Tensor[]): Tree
}

/**
 * Takes a tree apart.
 * @throws ArgumentError for a class instance that is neither a tensor nor a TreeNode
 */
export function flattenTree(tree: Tree, path = ''): { leaves: Tensor[]; def: TreeDef } {
  if (typeof path !== 'string')
    throw new ArgumentError(`flattenTree: the path must be a text, got ${typeof path}; leave it out or name the tree`)
  const leaves: Tensor[] = []
  const paths: string[] = []
  const keys: string[] = []
  const builder = flattenInto(tree, path, leaves, paths, keys, 0)
  const def: TreeDef = {
    key: keys.join(''),
    leafCount: leaves.length,
    paths,
    build: (values) => builder(values, { at: 0 }),
  }
  return { leaves, def }
}

type Builder = (leaves: readonly Tensor[], cursor: { at: number }) => Tree

/** No honest tree comes near; one that contains itself would never end. */
const DEEPEST = 200

function flattenInto(
  tree: Tree,
  path: string,
  leaves: Tensor[],
  paths: string[],
  keys: string[],
  depth: number,
): Builder {
  if (tree instanceof Tensor) {
    leaves.push(tree)
    paths.push(path === '' ? 'value' : path)
    keys.push('*')
    return (values, cursor) => values[cursor.at++]
  }
  if (depth > DEEPEST)
    throw new ArgumentError(
      `tree: a tree may be ${DEEPEST} levels deep, got more at ${path.slice(0, 40)}…; it seems to contain itself, so pass only what the function needs`,
    )
  if (Array.isArray(tree)) {
    keys.push('[')
    const children = tree.map((child, k) => flattenInto(child, `${path}[${k}]`, leaves, paths, keys, depth + 1))
    keys.push(']')
    return (values, cursor) => children.map((child) => child(values, cursor))
  }
  if (tree !== null && typeof tree === 'object') return flattenObject(tree, path, leaves, paths, keys, depth)
  if (typeof tree === 'function')
    throw new ArgumentError(
      `tree: functions are no part of a tree, got one at ${path || 'the root'}; close over it instead`,
    )
  keys.push(`${typeof tree}:${Object.is(tree, -0) ? '-0' : String(tree)};`)
  return () => tree
}

function flattenObject(
  tree: object,
  path: string,
  leaves: Tensor[],
  paths: string[],
  keys: string[],
  depth: number,
): Builder {
  const custom = isTreeNode(tree)
  const prototype: unknown = Object.getPrototypeOf(tree)
  if (!custom && prototype !== Object.prototype && prototype !== null)
    throw new ArgumentError(
      `tree: leaves must be tensors, numbers, strings or booleans, got ${tree.constructor?.name ?? 'an object'} at ${path || 'the root'}; ${tree instanceof Promise ? 'await it first' : 'wrap arrays of numbers in tensor(…)'}`,
    )
  const flat = custom ? tree.treeFlatten() : { children: tree as Record<string, Tree>, staticKey: '' }
  const names = Object.keys(flat.children)
  keys.push(`{${flat.staticKey}|`)
  const children = names.map((name) => {
    keys.push(`${JSON.stringify(name)}:`)
    return flattenInto(flat.children[name], path === '' ? name : `${path}.${name}`, leaves, paths, keys, depth + 1)
  })
  keys.push('}')
  return (values, cursor) => {
    const built: Record<string, Tree> = {}
    names.forEach((name, k) => {
      built[name] = children[k](values, cursor)
    })
    return custom ? tree.treeUnflatten(built) : built
  }
}

/** Applies `f` to every tensor of a tree and returns a tree of the same structure. */
export function mapTree<T>(tree: T, f: (leaf: Tensor, path: string) => Tensor): T {
  if (typeof f !== 'function')
    throw new ArgumentError(
      `mapTree: the second argument must be a function, got ${typeof f}; write mapTree(tree, (leaf) => …)`,
    )
  const { leaves, def } = flattenTree(tree)
  return def.build(leaves.map((leaf, k) => f(leaf, def.paths[k]))) as T
}
