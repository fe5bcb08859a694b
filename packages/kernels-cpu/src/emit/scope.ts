/** Values already computed at a place in the code, and how often the others will be asked for. */
import { argumentsOf } from './rewrite.js'
import type { KernelContext, Position } from './context.js'

/** A value at hand: in a local, or in the scratch of the row at byte offset `cached` (plus the position). */
export type Known = { readonly local: number } | { readonly cached: number }

export class Scope {
  readonly #known = new Map<number, Known>()
  readonly #owned: number[] = []
  #uses: ReadonlyMap<number, number> = new Map()

  constructor(
    readonly context: KernelContext,
    readonly position: Position,
    readonly parent?: Scope,
  ) {}

  find(id: number): Known | undefined {
    return this.#known.get(id) ?? this.parent?.find(id)
  }

  set(id: number, known: Known): void {
    this.#known.set(id, known)
  }

  /** A local that lives as long as the scope. */
  own(type: Parameters<KernelContext['code']['allocate']>[0]): number {
    const local = this.context.code.allocate(type)
    this.#owned.push(local)
    return local
  }

  /**
   * Counts how often each value not yet known is asked for on the way from the roots down. Returns the counts, to be
   * passed in again for the next vector of the same pass.
   */
  expect(roots: readonly number[], counted?: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
    if (counted) return (this.#uses = counted)
    const uses = new Map<number, number>()
    const visit = (id: number): void => {
      const known = this.find(id)
      if ((known && 'local' in known) || this.context.step.exprs[id].op === 'const') return
      const count = uses.get(id) ?? 0
      uses.set(id, count + 1)
      if (count > 0 || known) return
      for (const argument of argumentsOf(this.context.step.exprs[id])) visit(argument)
    }
    for (const root of roots) visit(root)
    return (this.#uses = uses)
  }

  isShared(id: number): boolean {
    return (this.#uses.get(id) ?? 0) > 1
  }

  /** Gives the scope's locals back; nothing may read them afterwards. */
  close(): void {
    for (const local of this.#owned) this.context.code.release(local)
    this.#owned.length = 0
  }
}
