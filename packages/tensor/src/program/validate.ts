import { dtypeBytes, isFloat, type DType } from '../dtype.js'
import { InternalError } from '../errors.js'
import type { LoopStep, Program, Slot } from './ir.js'
import { validateFusedStep } from './validate/fusedStep.js'
import { validateLifetimes } from './validate/lifetimes.js'
import { validateRoutineStep, validateView } from './validate/routineStep.js'

export interface ValidateOptions {
  /** Floats take eight bytes each (`capabilities.float64`). */
  readonly float64?: boolean
}

/**
 * Checks everything about a program that can be known before it runs: arguments in order, types, levels, phases,
 * slots and views in range, temps that never overlap while alive, reads after writes, aliases, loops and their bodies.
 *
 * @throws InternalError that names the first step and rule that failed: a program is our own product
 */
export function validateProgram(program: Program, options: ValidateOptions = {}): void {
  const float64 = options.float64 ?? false
  validateSlots(program, float64)
  program.steps.forEach((step, at) => {
    switch (step.kind) {
      case 'fused':
        return validateFusedStep(program, step, `step ${at}`)
      case 'routine':
        return validateRoutineStep(program, step, `step ${at}`)
      case 'loop':
        return validateLoop(program, step, `step ${at} loop`, options)
      case 'collective':
        for (const view of [...step.operands, ...step.results]) validateView(program, view, `step ${at} ${step.name}`)
        return
      default:
        return step satisfies never
    }
  })
  validateLifetimes(program)
}

/** Bytes of one element in a slot. */
export function slotElementBytes(dtype: DType, float64: boolean): number {
  return float64 && isFloat(dtype) ? 8 : dtypeBytes(dtype)
}

function validateSlots(program: Program, float64: boolean): void {
  const seen = new Set<string>()
  program.slots.forEach((slot, k) => {
    const elementBytes = slotElementBytes(slot.dtype, float64)
    require(Number.isInteger(slot.elements) &&
      slot.elements >= 0 &&
      slot.bytes ===
        slot.elements *
          elementBytes, `slot ${k}: ${slot.elements} elements of ${slot.dtype} are not ${slot.bytes} bytes`)
    validatePlace(program, slot, k, elementBytes)
    if (slot.place.kind === 'temp') return
    const name = `${slot.place.kind} ${slot.place.index}`
    require(!seen.has(name), `${name} has two slots`)
    seen.add(name)
  })
  for (let index = 0; index < program.outputCount; index++)
    require(seen.has(`output ${index}`), `output ${index} of ${program.outputCount} has no slot`)
}

function validatePlace(program: Program, slot: Slot, k: number, elementBytes: number): void {
  const { place } = slot
  switch (place.kind) {
    case 'input':
      return require(place.index >= 0 &&
        place.index < program.inputCount, `slot ${k}: input ${place.index} of ${program.inputCount}`)
    case 'output':
      require(place.index >= 0 &&
        place.index < program.outputCount, `slot ${k}: output ${place.index} of ${program.outputCount}`)
      if (place.aliasOf !== undefined) validateAlias(program, slot, k, place.aliasOf)
      return
    case 'temp': {
      const isInArena = place.offset >= 0 && place.offset + slot.bytes <= program.arenaBytes
      require(slot.elements === 0 ||
        isInArena, `slot ${k}: bytes ${place.offset} … ${place.offset + slot.bytes} leave the arena of ${program.arenaBytes}`)
      require(place.offset % elementBytes ===
        0, `slot ${k}: offset ${place.offset} is not a multiple of ${elementBytes} bytes`)
    }
  }
}

function validateAlias(program: Program, slot: Slot, k: number, aliasOf: number): void {
  require(aliasOf >= 0 && aliasOf < program.inputCount, `slot ${k}: alias of input ${aliasOf} of ${program.inputCount}`)
  for (const [other, { place, dtype, bytes }] of program.slots.entries()) {
    if (place.kind === 'input' && place.index === aliasOf)
      require(dtype === slot.dtype &&
        bytes ===
          slot.bytes, `slot ${k}: ${slot.bytes} bytes of ${slot.dtype} in the buffer of input ${aliasOf}, ${bytes} bytes of ${dtype}`)
    const isSecond = other !== k && place.kind === 'output' && place.aliasOf === aliasOf
    require(!isSecond, `slots ${k} and ${other}: two outputs in the buffer of input ${aliasOf}`)
  }
}

function validateLoop(program: Program, step: LoopStep, where: string, options: ValidateOptions): void {
  const { body } = step
  require(Number.isInteger(step.trips) && step.trips >= 0, `${where}: trips must be a whole number, got ${step.trips}`)
  require(step.inputs.length ===
    body.inputCount, `${where}: ${step.inputs.length} inputs for ${body.inputCount} of the body`)
  require(step.outputs.length ===
    body.outputCount, `${where}: ${step.outputs.length} outputs for ${body.outputCount} of the body`)
  body.params.forEach((type, param) =>
    require(program.params[param] ===
      type, `${where}: param ${param} of the body is ${type}, that of the program ${program.params[param]}`),
  )
  if (step.bound !== undefined) {
    const slot = program.slots[step.bound]
    require(slot?.dtype === 'i32' &&
      slot.elements === 1, `${where}: the bound must be one i32, slot ${step.bound} is not`)
  }
  const bodySlot = (kind: 'input' | 'output', index: number): Slot | undefined =>
    body.slots.find(({ place }) => place.kind === kind && place.index === index)
  const outerSlot = (slot: number): Slot => {
    require(slot in program.slots, `${where}: names slot ${slot} of ${program.slots.length}`)
    return program.slots[slot]
  }
  step.carries.forEach(({ init, final, buffers }, carry) => {
    const all = [init, final, ...buffers].map(outerSlot)
    const isOneKind = all.every(({ dtype, elements }) => dtype === all[0].dtype && elements === all[0].elements)
    require(isOneKind, `${where}: the slots of carry ${carry} differ in dtype or size`)
    require(buffers[0] !== buffers[1], `${where}: carry ${carry} has one buffer for even and odd trips`)
    const writesInput = all.slice(1).some(({ place }) => place.kind === 'input')
    require(!writesInput, `${where}: carry ${carry} writes to an input`)
  })
  const fits = (
    inner: Slot | undefined,
    bound: LoopStep['inputs'][number] | LoopStep['outputs'][number],
    what: string,
  ): void => {
    if (inner === undefined) return
    const isCarry = bound.kind === 'carry'
    require(!isCarry || bound.carry in step.carries, `${where}: ${what} names a carry that does not exist`)
    const outer = outerSlot(isCarry ? step.carries[bound.carry].init : bound.slot)
    require(outer.dtype === inner.dtype, `${where}: ${what} is ${inner.dtype} in the body and ${outer.dtype} outside`)
    const elements = bound.kind === 'slice' ? bound.elements : outer.elements
    require(inner.elements ===
      elements, `${where}: ${what} has ${inner.elements} elements in the body and ${elements} outside`)
    if (bound.kind === 'slice')
      require(outer.elements >=
        step.trips *
          elements, `${where}: ${what} has ${step.trips} slices of ${elements} in ${outer.elements} elements`)
  }
  step.inputs.forEach((input, k) => fits(bodySlot('input', k), input, `input ${k}`))
  step.outputs.forEach((output, k) => {
    const inner = bodySlot('output', k)
    fits(inner, output, `output ${k}`)
    // a carry that is handed on unchanged has to be copied: the next trip reads another buffer
    const isAlias = inner?.place.kind === 'output' && inner.place.aliasOf !== undefined
    require(!isAlias, `${where}: output ${k} of the body lies in the buffer of an input`)
    if (output.kind === 'slice')
      require(outerSlot(output.slot).place.kind !== 'input', `${where}: output ${k} writes to an input`)
  })
  step.carries.forEach((_, carry) => {
    const writers = step.outputs.filter((output) => output.kind === 'carry' && output.carry === carry).length
    require(writers === 1, `${where}: carry ${carry} is written by ${writers} outputs of the body`)
  })
  validateProgram(body, options)
}

function require(holds: boolean, message: string): asserts holds {
  if (!holds) throw new InternalError(`program: ${message}`)
}
