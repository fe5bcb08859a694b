/**
 * The static memory plan: lifetimes of temporaries become offsets in one arena, and buffers of donated inputs are
 * written again where every other reader has run or reads the same element in the same step.
 */
import type { DType } from '../dtype.js'
import type { Access, FusedStep, LoopStep, Slot, Step } from '../program/ir.js'
import { Arena } from './arena.js'

/** A slot before it has a place. */
export interface PlanSlot {
  readonly dtype: DType
  readonly elements: number
  readonly bytes: number
  readonly place:
    | { readonly kind: 'input'; readonly index: number }
    | { readonly kind: 'output'; readonly index: number; readonly aliasOf?: number }
    | { readonly kind: 'temp' }
}

export interface PlanOptions {
  readonly alignment: number
  /** Indices of inputs that may be overwritten. */
  readonly donated: ReadonlySet<number>
}

export interface MemoryPlan {
  readonly places: readonly Slot['place'][]
  readonly arenaBytes: number
  readonly loopArenas: ReadonlyMap<LoopStep, number>
  /** Donated input -> output that ends in its buffer. */
  readonly reused: ReadonlyMap<number, number>
}

interface Lifetime {
  first: number
  last: number
}

export function planMemory(slots: readonly PlanSlot[], steps: readonly Step[], options: PlanOptions): MemoryPlan {
  const uses = steps.map(stepSlots)
  const lives = lifetimes(slots, uses)
  const reused = reuseDonated(slots, steps, lives, options.donated)
  const temps = placeTemps(slots, steps, uses, lives, options.alignment)
  const aliasOf = new Map([...reused].map(([input, output]) => [output, input]))
  const places = slots.map((slot, k): Slot['place'] => {
    if (slot.place.kind === 'temp') return { kind: 'temp', offset: temps.offsets[k] }
    if (slot.place.kind !== 'output') return slot.place
    const alias = aliasOf.get(slot.place.index)
    return alias === undefined
      ? { kind: 'output', index: slot.place.index }
      : { kind: 'output', index: slot.place.index, aliasOf: alias }
  })
  return { places, arenaBytes: temps.arenaBytes, loopArenas: temps.loopArenas, reused }
}

interface StepSlots {
  readonly reads: readonly number[]
  readonly writes: readonly number[]
}

/** Slots that a step reads and those that it writes. */
export function stepSlots(step: Step): StepSlots {
  switch (step.kind) {
    case 'fused':
      return fusedSlots(step)
    case 'routine': {
      const epilogue = step.epilogue === undefined ? { reads: [], writes: [] } : fusedSlots(step.epilogue)
      return {
        reads: [...step.operands.map((view) => view.slot), ...epilogue.reads],
        writes: [...step.results.map((view) => view.slot), ...epilogue.writes],
      }
    }
    case 'collective':
      return { reads: step.operands.map((view) => view.slot), writes: step.results.map((view) => view.slot) }
    case 'loop': {
      const reads = step.inputs.flatMap((input) => (input.kind === 'carry' ? [] : [input.slot]))
      const writes = step.outputs.flatMap((output) => (output.kind === 'carry' ? [] : [output.slot]))
      return {
        reads: [...reads, ...boundOf(step), ...step.carries.map((carry) => carry.init)],
        writes: [...writes, ...step.carries.flatMap((carry) => [carry.final, ...carry.buffers])],
      }
    }
  }
}

function boundOf({ bound }: LoopStep): readonly number[] {
  return bound === undefined ? [] : [bound]
}

function fusedSlots(step: FusedStep): { reads: number[]; writes: number[] } {
  const reads = new Set<number>()
  for (const expr of step.exprs) if (expr.op === 'load') reads.add(step.operands[expr.operand])
  return { reads: [...reads], writes: step.stores.map((store) => step.operands[store.operand]) }
}

function lifetimes(slots: readonly PlanSlot[], uses: readonly StepSlots[]): (Lifetime | null)[] {
  const lives: (Lifetime | null)[] = slots.map(() => null)
  uses.forEach(({ reads, writes }, at) => {
    for (const slot of [...reads, ...writes]) {
      const life = lives[slot]
      if (life === null) lives[slot] = { first: at, last: at }
      else life.last = at
    }
  })
  return lives
}

/** Gives outputs the buffers of donated inputs: first those updated element by element in one step, then any that have died before. */
function reuseDonated(
  slots: readonly PlanSlot[],
  steps: readonly Step[],
  lives: readonly (Lifetime | null)[],
  donated: ReadonlySet<number>,
): Map<number, number> {
  const reused = new Map<number, number>()
  const taken = new Set<number>()
  /** Donated inputs by what an output has to have in common with them. */
  const inputs = new Map<string, { slot: PlanSlot; k: number }[]>()
  slots.forEach((slot, k) => {
    if (slot.place.kind !== 'input' || !donated.has(slot.place.index)) return
    const alike = inputs.get(layoutKey(slot))
    if (alike === undefined) inputs.set(layoutKey(slot), [{ slot, k }])
    else alike.push({ slot, k })
  })
  for (const slot of slots) {
    if (slot.place.kind !== 'output' || slot.place.aliasOf === undefined) continue
    reused.set(slot.place.aliasOf, slot.place.index)
    taken.add(slot.place.index)
  }
  for (const sameStep of [true, false]) {
    slots.forEach((output, k) => {
      if (output.place.kind !== 'output' || taken.has(output.place.index)) return
      const life = lives[k]
      if (life === null) return
      const found = inputs.get(layoutKey(output))?.find(({ slot, k: input }) => {
        if (slot.place.kind !== 'input' || reused.has(slot.place.index)) return false
        const inputLife = lives[input]
        if (sameStep)
          return (
            inputLife !== null && inputLife.last === life.first && readsOnlyWhereItWrites(steps[life.first], input, k)
          )
        return inputLife === null || inputLife.last < life.first
      })
      if (found === undefined || found.slot.place.kind !== 'input') return
      reused.set(found.slot.place.index, output.place.index)
      taken.add(output.place.index)
    })
  }
  return reused
}

function layoutKey(slot: PlanSlot): string {
  return `${slot.dtype} ${slot.bytes}`
}

/**
 * Whether a step reads slot `input` only at the element that it writes to slot `output`: a fused step, or the epilogue of
 * a routine that does not read `input` itself, for it may still be reading when the first tiles have been written.
 */
export function readsOnlyWhereItWrites(step: Step, input: number, output: number): boolean {
  if (step.kind === 'fused') return loadsWhereItStores(step, input, output)
  if (step.kind !== 'routine' || step.epilogue === undefined) return false
  if (step.operands.some((view) => view.slot === input) || step.results.some((view) => view.slot === output))
    return false
  return loadsWhereItStores(step.epilogue, input, output)
}

function loadsWhereItStores(step: FusedStep, input: number, output: number): boolean {
  const store = step.stores.find((candidate) => step.operands[candidate.operand] === output)
  if (store === undefined || store.access.gathered.length > 0) return false
  // A row store comes after all reads of its row; an element store after the phases of its row.
  return step.exprs.every((expr) => {
    if (expr.op !== 'load' || step.operands[expr.operand] !== input) return true
    return expr.guard === undefined && sameAccess(expr.access, store.access)
  })
}

/** Equal element numbers are equal addresses only where elements have one size. */
function sameLayout(a: PlanSlot, b: PlanSlot): boolean {
  return a.bytes === b.bytes && a.elements === b.elements
}

function sameAccess(a: Access, b: Access): boolean {
  return a.gathered.length === 0 && a.offset === b.offset && a.strides.every((stride, k) => stride === b.strides[k])
}

function placeTemps(
  slots: readonly PlanSlot[],
  steps: readonly Step[],
  uses: readonly StepSlots[],
  lives: readonly (Lifetime | null)[],
  alignment: number,
) {
  const arena = new Arena(alignment)
  const offsets = slots.map(() => 0)
  const loopArenas = new Map<LoopStep, number>()
  const isTemp = (slot: number): boolean => slots[slot].place.kind === 'temp'
  steps.forEach((step, at) => {
    const { reads, writes } = uses[at]
    const dying = new Set(reads.filter((slot) => isTemp(slot) && lives[slot]?.last === at && !writes.includes(slot)))
    // What a routine makes only for its epilogue dies in this step. Results come first, so they have a place by then.
    const passed = new Set<number>()
    const born = [...new Set(writes)].filter((slot) => isTemp(slot) && lives[slot]?.first === at)
    for (const slot of born) {
      const donor = [...dying].find(
        (candidate) => sameLayout(slots[candidate], slots[slot]) && readsOnlyWhereItWrites(step, candidate, slot),
      )
      if (donor === undefined) offsets[slot] = arena.allocate(slots[slot].bytes)
      else {
        offsets[slot] = offsets[donor]
        dying.delete(donor)
      }
      if (lives[slot]?.last === at && reads.includes(slot)) {
        passed.add(slot)
        dying.add(slot)
      }
    }
    if (step.kind === 'loop' && step.body.arenaBytes > 0) {
      const offset = arena.allocate(step.body.arenaBytes)
      loopArenas.set(step, offset)
      arena.release(offset, step.body.arenaBytes)
    }
    for (const slot of dying) arena.release(offsets[slot], slots[slot].bytes)
    for (const slot of born)
      if (lives[slot]?.last === at && !passed.has(slot)) arena.release(offsets[slot], slots[slot].bytes)
  })
  return { offsets, arenaBytes: arena.peak, loopArenas }
}
