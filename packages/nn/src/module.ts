/** Modules: immutable data with a forward function. */
import type { Tensor, TreeNode } from '@tarazed/tensor'
import { withParameters } from './parameters.js'

/**
 * The base of every module. Fields of a subclass are its tree: tensors, modules, arrays and plain records of these are
 * children, numbers, strings, booleans and null are static. So a module may be an argument or result of any transform.
 *
 * Subclasses are final and have no private `#fields`: a copy is made without their constructor.
 */
export abstract class Module implements TreeNode {
  treeFlatten(): { readonly children: Readonly<Record<string, unknown>>; readonly staticKey: string } {
    return { children: Object.fromEntries(Object.entries(this)), staticKey: this.constructor.name }
  }

  treeUnflatten(children: Readonly<Record<string, unknown>>): this {
    return Object.assign(Object.create(Object.getPrototypeOf(this) as object) as this, children)
  }

  /** This module with other parameters; see `withParameters`. */
  with(record: Readonly<Record<string, Tensor>>): this {
    return withParameters(this, record)
  }
}
