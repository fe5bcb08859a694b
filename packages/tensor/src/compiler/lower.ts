/** Value graph -> Program: fuse, schedule, give every stored value a slot, plan memory, write the steps. */
import { dtypeBytes } from '../dtype.js'
import type { PrimitiveAttrs, TensorSpec } from '../graph/primitive.js'
import type { BackendCapabilities } from '../program/backend.js'
import type {
  FusedStep,
  LoopInput,
  LoopOutput,
  LoopStep,
  Program,
  RoutineAttrs,
  RoutineName,
  RoutineStep,
  Slot,
  Step,
  View,
} from '../program/ir.js'
import { scalarTypeOf } from '../dtype.js'
import { sizeOf, stridesOf } from '../shape.js'
import { emitGroup } from './emit.js'
import { fuseGraph, type Call, type FusedGraph } from './fuse.js'
import { Group } from './group.js'
import { planMemory, type PlanSlot } from './memoryPlan.js'
import { isUpdated, scheduleSteps, storageOf, type PlannedStep } from './schedule.js'
import type { CallAttrs, InputAttrs, ResultAttrs, Value, ValueGraph } from './value.js'

export interface LowerOptions {
  readonly capabilities: BackendCapabilities
  readonly fuse: boolean
  readonly donated: ReadonlySet<number>
}

export interface Lowered {
  readonly program: Program
  /** Donated inputs whose buffers hold an output afterwards: input index -> output index. */
  readonly reused: ReadonlyMap<number, number>
}

export function lowerGraph(graph: ValueGraph, options: LowerOptions): Lowered {
  return new Lowering(graph, options).run()
}

class Lowering {
  readonly #graph: ValueGraph
  readonly #options: LowerOptions
  readonly #fused: FusedGraph
  readonly #slots: PlanSlot[] = []
  readonly #slotOf = new Map<Value, number>()
  readonly #results = new Map<Value, Map<number, Value>>()
  /** Donated inputs that are updated slice by slice -> slot of the output that they become. */
  readonly #updatedInputs = new Map<Value, number>()

  constructor(graph: ValueGraph, options: LowerOptions) {
    this.#graph = graph
    this.#options = options
    this.#fused = fuseGraph(graph, options)
    for (const value of graph.values) {
      if (value.op !== 'result') continue
      const call = value.inputs[0]
      const known = this.#results.get(call) ?? new Map<number, Value>()
      known.set((value.attrs as ResultAttrs).index, value)
      this.#results.set(call, known)
    }
  }

  run(): Lowered {
    const order = scheduleSteps(this.#fused)
    this.#makeSlots(order)
    const steps = order.filter((step) => !this.#isEmpty(step)).map((step) => this.#writeStep(step))
    const { capabilities, donated } = this.#options
    const plan = planMemory(this.#slots, steps, { alignment: capabilities.alignment, donated })
    const slots: Slot[] = this.#slots.map((slot, k) => ({
      dtype: slot.dtype,
      elements: slot.elements,
      bytes: slot.bytes,
      place: plan.places[k],
    }))
    const program: Program = {
      slots,
      params: this.#graph.params.map(({ dtype }) => scalarTypeOf(dtype)),
      steps: steps.map((step) =>
        step.kind === 'loop' ? { ...step, arenaOffset: plan.loopArenas.get(step) ?? 0 } : step,
      ),
      arenaBytes: plan.arenaBytes,
      inputCount: this.#graph.inputs.length,
      outputCount: this.#graph.outputs.length,
    }
    return { program, reused: plan.reused }
  }

  #makeSlots(order: readonly PlannedStep[]): void {
    this.#graph.inputs.forEach((value, index) => this.#newSlot(value, { kind: 'input', index }, value))
    this.#graph.outputs.forEach((output, index) => {
      const base = storageOf(output, this.#fused)
      if (base.op === 'input')
        this.#updatedInputs.set(
          base,
          this.#newSlot(output, { kind: 'output', index, aliasOf: (base.attrs as InputAttrs).index }, null),
        )
      else this.#newSlot(output, { kind: 'output', index }, base)
    })
    for (const step of order) {
      if (step instanceof Group) for (const { value } of step.roots) this.#slot(value)
      else this.#makeCallSlots(step)
    }
  }

  #makeCallSlots(call: Call): void {
    ;(call.value.attrs as CallAttrs).outputs.forEach((spec, k) => this.#resultSlot(call.value, k, spec))
    const epilogue = this.#fused.epilogues.epilogueOf.get(call)
    for (const { value } of epilogue?.roots ?? []) this.#slot(value)
  }

  /** `owner` is the value whose storage the slot is; null when the slot is another name of an input's. */
  #newSlot(spec: TensorSpec, place: PlanSlot['place'], owner: Value | null): number {
    const elements = sizeOf(spec.shape)
    const bytes = elements * (this.#options.capabilities.float64 ? floatBytes(spec) : dtypeBytes(spec.dtype))
    const id = this.#slots.push({ dtype: spec.dtype, elements, bytes, place }) - 1
    if (owner !== null) this.#slotOf.set(owner, id)
    return id
  }

  #slot(value: Value): number {
    const base = storageOf(value, this.#fused)
    // An input that was updated in place goes by the name of the output that it becomes.
    const updated =
      value !== base && base.op === 'input' && isUpdated(value, this.#fused) ? this.#updatedInputs.get(base) : undefined
    if (updated !== undefined) return updated
    return this.#slotOf.get(base) ?? this.#newSlot(base, { kind: 'temp' }, base)
  }

  #resultSlot(call: Value, index: number, spec: TensorSpec): number {
    const result = this.#results.get(call)?.get(index)
    if (result !== undefined) return this.#slot(result)
    // A result that nobody reads is written all the same.
    const key = `${call.id}.${index}`
    const known = this.#unread.get(key)
    if (known !== undefined) return known
    const slot = this.#newSlot(spec, { kind: 'temp' }, null)
    this.#unread.set(key, slot)
    return slot
  }

  readonly #unread = new Map<string, number>()

  #isEmpty(step: PlannedStep): boolean {
    if (step instanceof Group) return step.roots.every(({ value }) => sizeOf(value.shape) === 0)
    return false
  }

  #writeStep(step: PlannedStep): Step {
    if (step instanceof Group) return this.#emit(step)
    const { primitive } = step.value.attrs as CallAttrs
    return primitive === 'scan' ? this.#writeLoop(step) : this.#writeRoutine(step, primitive as RoutineName)
  }

  #emit(group: Group): FusedStep {
    return emitGroup(group, { slotOf: (value) => this.#slot(value), float64: this.#options.capabilities.float64 })
  }

  #writeRoutine(call: Call, name: RoutineName): RoutineStep {
    const { attrs, outputs } = call.value.attrs as CallAttrs
    const operands = call.operands.map((operand): View => ({
      slot: this.#slot(operand.base),
      dtype: operand.base.dtype,
      shape: operand.shape,
      strides: operand.strides,
      offset: operand.offset,
    }))
    const results = outputs.map((spec, k) => denseView(this.#resultSlot(call.value, k, spec), spec))
    const step: RoutineStep = { kind: 'routine', name, attrs: attrs as RoutineAttrs, operands, results }
    const epilogue = this.#fused.epilogues.epilogueOf.get(call)
    return epilogue === undefined ? step : { ...step, epilogue: this.#emit(epilogue) }
  }

  #writeLoop(call: Call): LoopStep {
    const { attrs, outputs, body } = call.value.attrs as CallAttrs
    const { constants, carries, trips, reverse, bounded } = attrs as Omit<PrimitiveAttrs['scan'], 'body'>
    const graph = (body as NonNullable<typeof body>).graph
    const { program } = lowerGraph(graph, { ...this.#options, donated: new Set() })
    const slots = call.operands.map((operand) => this.#slot(operand.base))
    const inputs = graph.inputs.map((input, k): LoopInput => {
      if (k < constants) return { kind: 'whole', slot: slots[k] }
      if (k < constants + carries) return { kind: 'carry', carry: k - constants }
      return { kind: 'slice', slot: slots[k], elements: sizeOf(input.shape) }
    })
    const resultSlots = outputs.map((spec, k) => this.#resultSlot(call.value, k, spec))
    const loopOutputs = outputs.map((_, k): LoopOutput =>
      k < carries
        ? { kind: 'carry', carry: k }
        : { kind: 'slice', slot: resultSlots[k], elements: sizeOf(graph.outputs[k].shape) },
    )
    const carrySlots = Array.from({ length: carries }, (_, k) => {
      const buffer = (): number => this.#newSlot(outputs[k], { kind: 'temp' }, null)
      return { init: slots[constants + k], final: resultSlots[k], buffers: [buffer(), buffer()] as const }
    })
    return {
      kind: 'loop',
      trips,
      ...(bounded === true ? { bound: slots[0] } : {}),
      reverse,
      body: program,
      arenaOffset: 0,
      inputs,
      outputs: loopOutputs,
      carries: carrySlots,
    }
  }
}

function floatBytes(spec: TensorSpec): number {
  return spec.dtype === 'f32' || spec.dtype === 'f16' || spec.dtype === 'bf16' ? 8 : dtypeBytes(spec.dtype)
}

function denseView(slot: number, spec: TensorSpec): View {
  return { slot, dtype: spec.dtype, shape: spec.shape, strides: stridesOf(spec.shape), offset: 0 }
}
