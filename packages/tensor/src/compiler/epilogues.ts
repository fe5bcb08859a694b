/**
 * Pointwise steps that read what a product has just made, element by element, become its epilogue: they run tile by tile
 * while the tile is in the cache. The product and its epilogue are one unit of the schedule from then on.
 */
import { sizeOf } from '../shape.js'
import type { Call, FusedGraph } from './fuse.js'
import { Group } from './group.js'
import { dimKey, isBijective, type Dim, type Instance } from './indexMap.js'
import type { CallAttrs, InputAttrs, Value } from './value.js'

/** Steps that take an epilogue. */
const HOSTS: ReadonlySet<string> = new Set(['matmul', 'quantMatmul', 'conv'])

/** Which steps are units, and what must run before a unit though the unit does not read it. */
export interface Epilogues {
  readonly epilogueOf: ReadonlyMap<Call, Group>
  /** Other readers of buffers that the unit's epilogue overwrites in place. */
  readonly after: ReadonlyMap<Call, readonly (Group | Call)[]>
}

/** No step hosts another one. */
export const NO_EPILOGUES: Epilogues = { epilogueOf: new Map(), after: new Map() }

/**
 * Pairs products with epilogues.
 *
 * @param donated indices of inputs that may be overwritten: an epilogue that updates one comes after its other readers
 */
export function pairEpilogues(fused: FusedGraph, donated: ReadonlySet<number>): Epilogues {
  return new Pairing(fused, donated).run()
}

class Pairing {
  readonly #fused: FusedGraph
  readonly #donated: ReadonlySet<number>
  readonly #epilogueOf = new Map<Call, Group>()
  readonly #hostOf = new Map<Group, Call>()
  readonly #after = new Map<Call, (Group | Call)[]>()
  readonly #callOf: ReadonlyMap<Value, Call>
  /** Steps that read a stored value, or other names of its bytes. */
  readonly #readers = new Map<Value, Set<Group | Call>>()

  constructor(fused: FusedGraph, donated: ReadonlySet<number>) {
    this.#fused = fused
    this.#donated = donated
    this.#callOf = new Map(fused.calls.map((call) => [call.value, call]))
    for (const group of fused.groups) for (const value of group.loads) this.#noteReader(value, group)
    for (const call of fused.calls) for (const { base } of call.operands) this.#noteReader(base, call)
  }

  run(): Epilogues {
    for (const [base, readers] of this.#readers) {
      if (base.op !== 'result' || !HOSTS.has((base.inputs[0].attrs as CallAttrs).primitive)) continue
      const call = this.#callOf.get(base.inputs[0])
      if (call === undefined || sizeOf(base.shape) === 0) continue
      for (const reader of readers) if (reader instanceof Group && this.#pair(call, base, reader)) break
    }
    return { epilogueOf: this.#epilogueOf, after: this.#after }
  }

  #pair(call: Call, result: Value, group: Group): boolean {
    if (this.#hostOf.has(group) || !this.#readsElementwise(group, result)) return false
    const others = this.#needs(group).filter((step) => step !== call)
    if (this.#reaches(others, call)) return false
    const before = this.#otherReaders(call, group)
    if (before === null) return false
    this.#epilogueOf.set(call, group)
    this.#hostOf.set(group, call)
    if (before.length > 0) this.#after.set(call, before)
    return true
  }

  /** Pointwise, over the elements of `result`, each read only where the step is. */
  #readsElementwise(group: Group, result: Value): boolean {
    if (group.update !== null || group.inner >= 0) return false
    const { domain } = group
    if (sizeOf(domain.extents) !== sizeOf(result.shape)) return false
    const all = domain.extents.map((_, k) => k)
    const linears = new Set<string>()
    for (const value of group.loads) {
      if (this.#bytesOf(value) !== result) continue
      for (const instance of group.instancesOf(value)) {
        const linear = addressOf(group, value, instance)
        if (instance.guards.length > 0 || !isBijective(domain, linear, all, sizeOf(result.shape))) return false
        linears.add(dimKey(linear))
      }
    }
    return linears.size === 1
  }

  /**
   * Readers of donated inputs that the epilogue may update in place; they have to run first. Null when one of them waits
   * for the product: it would have to come both before and after.
   */
  #otherReaders(call: Call, group: Group): (Group | Call)[] | null {
    const before: (Group | Call)[] = []
    for (const value of group.loads) {
      if (value.op !== 'input' || !this.#donated.has((value.attrs as InputAttrs).index)) continue
      for (const reader of this.#readers.get(value) ?? []) {
        if (reader === group || reader === call || before.includes(reader)) continue
        if (!this.#reaches([reader], call)) before.push(reader)
        else if (!this.#reaches([reader], group)) return null
      }
    }
    return before
  }

  /** Whether one of `from` is `target` or has to wait for it. */
  #reaches(from: readonly (Group | Call)[], target: Group | Call): boolean {
    const seen = new Set<Group | Call>(from)
    const stack = [...from]
    while (stack.length > 0) {
      const step = stack.pop() as Group | Call
      if (step === target) return true
      for (const next of this.#needs(step)) {
        if (seen.has(next)) continue
        seen.add(next)
        stack.push(next)
      }
    }
    return false
  }

  /** Steps that a step has to wait for; a unit waits for what either half waits for. */
  #needs(step: Group | Call): (Group | Call)[] {
    const needs = this.#makers(step)
    const partner = step instanceof Group ? this.#hostOf.get(step) : this.#epilogueOf.get(step)
    if (partner !== undefined) needs.push(partner)
    if (!(step instanceof Group)) needs.push(...(this.#after.get(step) ?? []))
    return needs
  }

  #makers(step: Group | Call): (Group | Call)[] {
    const read = step instanceof Group ? [...step.loads] : step.operands.map(({ base }) => base)
    return read.flatMap((value) => {
      const base = this.#bytesOf(value)
      const maker = base.op === 'result' ? this.#callOf.get(base.inputs[0]) : this.#fused.storedBy.get(base)
      return maker === undefined || maker === step ? [] : [maker]
    })
  }

  /** The value whose bytes a reshape in memory is. */
  #bytesOf(value: Value): Value {
    let base = value
    for (let x = this.#fused.sameBytes.get(base); x !== undefined; x = this.#fused.sameBytes.get(base)) base = x
    return base
  }

  #noteReader(value: Value, step: Group | Call): void {
    const base = this.#bytesOf(value)
    const readers = this.#readers.get(base)
    if (readers === undefined) this.#readers.set(base, new Set([step]))
    else readers.add(step)
  }
}

function addressOf(group: Group, value: Value, instance: Instance): Dim {
  return instance.linear ?? group.domain.linear(instance.map as readonly Dim[], value.shape)
}
