/** Rules of memory: what overlaps is never alive together, nothing is read before it is written, aliases are written last. */
import { InternalError } from '../../errors.js'
import type { FusedStep, Program, Step } from '../ir.js'
import { sameElement } from './access.js'

/** @throws InternalError naming the slots and steps */
export function validateLifetimes(program: Program): void {
  const uses = program.steps.map(usesOf)
  const lives = livesOf(program, uses)
  validateFirstUses(program, uses, lives)
  validateTemps(program, lives)
  validateLoopArenas(program, lives)
  validateAliases(program, uses)
  validateInPlace(program)
}

interface Uses {
  readonly reads: ReadonlySet<number>
  readonly writes: ReadonlySet<number>
}

interface Life {
  first: number
  last: number
}

function usesOf(step: Step): Uses {
  switch (step.kind) {
    case 'fused':
      return usesOfFused(step)
    case 'routine': {
      const epilogue = step.epilogue === undefined ? null : usesOfFused(step.epilogue)
      const results = step.results.map((view) => view.slot)
      // the epilogue reads results that this very step has written
      const epilogueReads = [...(epilogue?.reads ?? [])].filter((slot) => !results.includes(slot))
      return {
        reads: new Set([...step.operands.map((view) => view.slot), ...epilogueReads]),
        writes: new Set([...results, ...(epilogue?.writes ?? [])]),
      }
    }
    case 'collective':
      return {
        reads: new Set(step.operands.map((view) => view.slot)),
        writes: new Set(step.results.map((view) => view.slot)),
      }
    case 'loop': {
      const inputs = step.inputs.flatMap((input) => (input.kind === 'carry' ? [] : [input.slot]))
      const outputs = step.outputs.flatMap((output) => (output.kind === 'carry' ? [] : [output.slot]))
      return {
        reads: new Set([
          ...inputs,
          ...(step.bound === undefined ? [] : [step.bound]),
          ...step.carries.map((carry) => carry.init),
        ]),
        writes: new Set([...outputs, ...step.carries.flatMap((carry) => [carry.final, ...carry.buffers])]),
      }
    }
  }
}

function usesOfFused(step: FusedStep): Uses {
  const loads = step.exprs.flatMap((expr) => (expr.op === 'load' ? [step.operands[expr.operand]] : []))
  return { reads: new Set(loads), writes: new Set(step.stores.map((store) => step.operands[store.operand])) }
}

function livesOf(program: Program, uses: readonly Uses[]): Map<number, Life> {
  const lives = new Map<number, Life>()
  uses.forEach(({ reads, writes }, at) => {
    for (const slot of [...reads, ...writes]) {
      const life = lives.get(slot)
      if (life === undefined) lives.set(slot, { first: at, last: at })
      else life.last = at
    }
  })
  for (const slot of lives.keys())
    if (program.slots[slot] === undefined)
      throw new InternalError(`program: a step uses slot ${slot}, which does not exist`)
  return lives
}

/** What a step needs to read has been written by a step before it. */
function validateFirstUses(program: Program, uses: readonly Uses[], lives: ReadonlyMap<number, Life>): void {
  for (const [slot, life] of lives) {
    const { place, elements } = program.slots[slot]
    // nothing is read from an empty slot, and the step that would write it may be left out
    if (elements === 0) continue
    const hasValue = place.kind === 'input' || (place.kind === 'output' && place.aliasOf !== undefined)
    if (hasValue || !uses[life.first].reads.has(slot)) continue
    throw new InternalError(`step ${life.first} reads slot ${slot} (${place.kind}) before any step has written it`)
  }
}

function validateTemps(program: Program, lives: ReadonlyMap<number, Life>): void {
  const temps = program.slots.flatMap((slot, k) => {
    const life = lives.get(k)
    return slot.place.kind === 'temp' && life !== undefined && slot.bytes > 0
      ? [{ k, life, start: slot.place.offset, end: slot.place.offset + slot.bytes }]
      : []
  })
  temps.sort((a, b) => a.start - b.start)
  temps.forEach((a, position) => {
    for (let next = position + 1; next < temps.length && temps[next].start < a.end; next++) {
      const b = temps[next]
      const [early, late] = a.life.first <= b.life.first ? [a, b] : [b, a]
      if (early.life.last < late.life.first) continue
      const step = program.steps[late.life.first]
      const handsOver = (from: typeof a, to: typeof a): boolean =>
        from.life.last === to.life.first && readsOnlyWhereItWrites(step, from.k, to.k)
      // A result may be handed on to the epilogue of the step that makes it: then both lives begin here.
      const isSame = early.start === late.start && early.end === late.end
      if (isSame && (handsOver(early, late) || handsOver(late, early))) continue
      throw new InternalError(
        `temps ${early.k} and ${late.k} share bytes ${Math.max(a.start, b.start)} … ${Math.min(a.end, b.end) - 1} ` +
          `but are both alive in step ${late.life.first}`,
      )
    }
  })
}

function validateLoopArenas(program: Program, lives: ReadonlyMap<number, Life>): void {
  program.steps.forEach((step, at) => {
    if (step.kind !== 'loop' || step.body.arenaBytes === 0) return
    const start = step.arenaOffset
    const end = start + step.body.arenaBytes
    if (start < 0 || end > program.arenaBytes)
      throw new InternalError(
        `step ${at}: the loop's arena ${start} … ${end} leaves the arena of ${program.arenaBytes} bytes`,
      )
    program.slots.forEach((slot, k) => {
      const life = lives.get(k)
      if (slot.place.kind !== 'temp' || life === undefined || life.first > at || life.last < at) return
      if (slot.place.offset < end && slot.place.offset + slot.bytes > start)
        throw new InternalError(`step ${at}: the loop's arena shares bytes with temp ${k}, which is alive`)
    })
  })
}

/** An output in the buffer of an input is written after the last read of the input, or element by element in the same step. */
function validateAliases(program: Program, uses: readonly Uses[]): void {
  program.slots.forEach((slot, output) => {
    if (slot.place.kind !== 'output' || slot.place.aliasOf === undefined) return
    const { aliasOf } = slot.place
    const input = program.slots.findIndex(({ place }) => place.kind === 'input' && place.index === aliasOf)
    if (input < 0) return
    const firstWrite = uses.findIndex(({ writes }) => writes.has(output))
    if (firstWrite < 0) return
    uses.forEach(({ reads }, at) => {
      if (!reads.has(input) || at < firstWrite) return
      if (at === firstWrite && readsOnlyWhereItWrites(program.steps[at], input, output)) return
      throw new InternalError(
        `step ${at} reads input slot ${input}, whose buffer output slot ${output} has overwritten in step ${firstWrite}`,
      )
    })
  })
}

/** A fused step that reads a slot it writes does so at the element that it writes, since rows run in any order. */
function validateInPlace(program: Program): void {
  program.steps.forEach((step, at) => {
    const fused = step.kind === 'fused' ? step : step.kind === 'routine' ? step.epilogue : undefined
    if (fused === undefined) return
    for (const slot of usesOfFused(fused).reads) {
      const isWritten = fused.stores.some((store) => fused.operands[store.operand] === slot)
      if (isWritten && !loadsWhereItStores(fused, slot, slot))
        throw new InternalError(`step ${at} "${fused.label}" writes slot ${slot} and reads other elements of it`)
    }
  })
}

function readsOnlyWhereItWrites(step: Step, input: number, output: number): boolean {
  switch (step.kind) {
    case 'fused':
      return loadsWhereItStores(step, input, output)
    case 'routine': {
      // the routine itself reads its operands while it writes; only an epilogue that writes elsewhere can hand over
      const { epilogue } = step
      if (epilogue === undefined || step.operands.some((view) => view.slot === input)) return false
      return step.results.every((view) => view.slot !== output) && loadsWhereItStores(epilogue, input, output)
    }
    case 'loop':
    case 'collective':
      return false
  }
}

function loadsWhereItStores(step: FusedStep, input: number, output: number): boolean {
  const extents = [...step.outer, step.inner]
  const stores = step.stores.filter((store) => step.operands[store.operand] === output)
  if (stores.length !== 1) return false
  const [store] = stores
  return step.exprs.every((expr) => {
    if (expr.op !== 'load' || step.operands[expr.operand] !== input) return true
    return sameElement(expr.access, store.access, extents)
  })
}
