/** Values that are computed ahead of their users, at the place in the code where they are first known. */
import { argumentsOf, argumentsOfStore } from './rewrite.js'
import type { Scope } from './scope.js'
import type { KernelContext } from './context.js'
import { defineValue } from './values.js'

/** The chosen expressions that something outside the choice reads, in order; constants need no place. */
export function rootsOfChoice(context: KernelContext, chosen: (id: number) => boolean): number[] {
  const { exprs, stores } = context.step
  const roots = new Set<number>()
  const use = (id: number) => {
    if (chosen(id) && exprs[id].op !== 'const') roots.add(id)
  }
  exprs.forEach((expr, id) => {
    if (!chosen(id)) argumentsOf(expr).forEach(use)
  })
  for (const store of stores) argumentsOfStore(store).forEach(use)
  return [...roots].sort((a, b) => a - b)
}

/** Computes them in locals of the scope. */
export function defineForUsers(scope: Scope, chosen: (id: number) => boolean): void {
  const wanted = rootsOfChoice(scope.context, chosen).filter((id) => !scope.find(id))
  scope.expect(wanted)
  for (const id of wanted) defineValue(scope, id)
}

/** What the element stores read: values and terms of addresses. */
export function elementStoreRoots(context: KernelContext): number[] {
  const stores = context.step.stores.filter((store) => store.level === 'element')
  return [...new Set(stores.flatMap((store) => argumentsOfStore(store)))].sort((a, b) => a - b)
}
