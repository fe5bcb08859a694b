/** Which element values of one phase are kept in the thread's scratch for later phases, instead of computed again. */
import type { FusedStep } from '@tarazed/tensor'
import type { Analysis } from './analyse.js'
import type { Position } from './context.js'
import { pushCachedAddress } from './memory.js'
import { argumentsOf, argumentsOfStore } from './rewrite.js'
import { Scope } from './scope.js'

/** Scratch of a thread for the rows of fused steps. */
export const ROW_SCRATCH_BYTES = 65536

/** Below this many instructions a value is cheaper to compute again than to store and load. */
const WORTH_KEEPING = 4

export class RowCache {
  readonly #phaseOf: ReadonlyMap<number, number>
  readonly #rowBytes: number

  /** @param phaseOf the phase that writes each kept value */
  constructor(phaseOf: ReadonlyMap<number, number>, rowBytes: number) {
    this.#phaseOf = phaseOf
    this.#rowBytes = rowBytes
  }

  /** Scratch that the kept values of a row need. */
  get bytes(): number {
    return this.#phaseOf.size * this.#rowBytes
  }

  /** A scope for one vector of pass `phase`, in which values kept by earlier passes are known. */
  openScope(row: Scope, position: Position, phase: number): Scope {
    const scope = new Scope(row.context, position, row)
    let slot = 0
    for (const [id, writtenIn] of this.#phaseOf) {
      if (writtenIn < phase) scope.set(id, { cached: slot * this.#rowBytes })
      slot++
    }
    return scope
  }

  writtenIn(phase: number): number[] {
    return [...this.#phaseOf].filter(([, writtenIn]) => writtenIn === phase).map(([id]) => id)
  }

  /** Stores a whole vector; rows are padded to full vectors. */
  write(scope: Scope, id: number, local: number): void {
    const { code } = scope.context
    const slot = [...this.#phaseOf.keys()].indexOf(id)
    const constant = pushCachedAddress(scope, slot * this.#rowBytes)
    code.get(local)
    code.simdMemory('store', constant)
  }
}

/** Keeps the largest values that a pass computes and a later pass needs again, as far as the scratch goes. */
export function chooseCached(step: FusedStep, analysis: Analysis): RowCache {
  const rowBytes = 16 * Math.ceil(step.inner / 4)
  const phaseOf = new Map<number, number>()
  const firstSeen = new Map<number, number>()
  const visit = (id: number, pass: number): void => {
    if (analysis.place[id] !== 'element') return
    const seen = firstSeen.get(id)
    if (seen === pass) return
    if (seen === undefined) firstSeen.set(id, pass)
    else if (phaseOf.has(id)) return
    else if (analysis.cost[id] >= WORTH_KEEPING && (phaseOf.size + 1) * rowBytes <= ROW_SCRATCH_BYTES) {
      phaseOf.set(id, seen)
      return
    }
    for (const argument of argumentsOf(step.exprs[id])) visit(argument, pass)
  }
  for (let pass = 0; pass <= step.phases; pass++) for (const id of rootsOf(step, pass)) visit(id, pass)
  return new RowCache(phaseOf, rowBytes)
}

function rootsOf(step: FusedStep, pass: number): number[] {
  if (pass < step.phases)
    return step.exprs.flatMap((expr) => (expr.op === 'reduce' && expr.phase === pass ? [expr.arg] : []))
  return step.stores.filter((store) => store.level === 'element').flatMap((store) => argumentsOfStore(store))
}
