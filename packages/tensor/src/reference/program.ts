/** Programs made ready to run: steps as closures over cells. */
import { BackendUnavailableError } from '../errors.js'
import type { LoopStep, Program, Slot, Step } from '../program/ir.js'
import { Cell, type Region } from './cell.js'
import { compileFusedStep, type Bindings } from './fusedStep.js'
import { runRoutine } from './routines/index.js'

/** Where a run finds its tensors and its scratch. */
export interface ProgramBindings {
  readonly inputs: readonly Cell[]
  readonly outputs: readonly Cell[]
  readonly params: readonly number[]
  readonly arena: Region
  readonly arenaOffset: number
}

type RunStep = (bindings: Bindings, arena: Pick<ProgramBindings, 'arena' | 'arenaOffset'>) => void

/** Called after each step with its label, for profiles. */
export type OnStep = (label: string) => void

/** A program whose steps are closures. It holds no memory; runs bring their own. */
export class CompiledProgram {
  readonly program: Program
  readonly #steps: readonly RunStep[]
  readonly #float64: boolean

  /** @throws BackendUnavailableError for communication, which has no reference */
  constructor(program: Program, float64: boolean) {
    this.program = program
    this.#float64 = float64
    this.#steps = program.steps.map((step) => this.#compile(step))
  }

  /** Runs all steps; scratch counts as unwritten at the start. */
  run(bindings: ProgramBindings, onStep?: OnStep): void {
    const { arena, arenaOffset, params } = bindings
    arena.marks.fill(0, arenaOffset, arenaOffset + this.program.arenaBytes)
    const cells = this.program.slots.map((slot, k) => this.#bind(slot, k, bindings))
    this.#steps.forEach((step, k) => {
      step({ cells, params }, { arena, arenaOffset })
      onStep?.(labelOf(this.program.steps[k]))
    })
  }

  #bind(slot: Slot, k: number, { inputs, outputs, arena, arenaOffset }: ProgramBindings): Cell {
    switch (slot.place.kind) {
      case 'input':
        return inputs[slot.place.index]
      case 'output':
        return outputs[slot.place.index]
      case 'temp': {
        const spec = { dtype: slot.dtype, elements: slot.elements, float64: this.#float64 }
        const marking = { writes: k + 1, reads: [k + 1] }
        // an empty slot may be planned past the end
        const byteOffset = slot.elements === 0 ? 0 : arenaOffset + slot.place.offset
        return new Cell(`temp slot ${k}`, spec, { region: arena, byteOffset, marking })
      }
    }
  }

  #compile(step: Step): RunStep {
    const float64 = this.#float64
    switch (step.kind) {
      case 'fused':
        return compileFusedStep(step, float64)
      case 'routine': {
        const epilogue = step.epilogue === undefined ? null : compileFusedStep(step.epilogue, float64)
        return (bindings) => {
          runRoutine(step, bindings.cells, float64)
          epilogue?.(bindings)
        }
      }
      case 'loop':
        return compileLoop(step, new CompiledProgram(step.body, float64))
      case 'collective':
        throw new BackendUnavailableError(
          `openReference: ${step.name} needs a process group; run the program on an engine of @tarazed/distributed`,
        )
      default:
        return step satisfies never
    }
  }
}

function compileLoop(step: LoopStep, body: CompiledProgram): RunStep {
  return ({ cells, params }, { arena, arenaOffset }) => {
    const trips = tripsOf(step, cells)
    clearPast(step, trips, cells)
    for (let trip = 0; trip < trips; trip++) {
      const t = step.reverse ? trips - 1 - trip : trip
      const inputs = step.inputs.map((input) => {
        switch (input.kind) {
          case 'whole':
            return cells[input.slot]
          case 'slice':
            return cells[input.slot].window(`slice ${t} of slot ${input.slot}`, t * input.elements, input.elements)
          case 'carry': {
            const { init, buffers } = step.carries[input.carry]
            return cells[trip === 0 ? init : buffers[trip % 2]]
          }
        }
      })
      const outputs = step.outputs.map((output) => {
        if (output.kind === 'slice')
          return cells[output.slot].window(`slice ${t} of slot ${output.slot}`, t * output.elements, output.elements)
        const { final, buffers } = step.carries[output.carry]
        return cells[trip === trips - 1 ? final : buffers[(trip + 1) % 2]]
      })
      body.run({ inputs, outputs, params, arena, arenaOffset: arenaOffset + step.arenaOffset })
    }
    if (trips > 0) return
    for (const { init, final } of step.carries)
      for (let at = 0; at < cells[init].elements; at++) cells[final].write(at, cells[init].read(at))
  }
}

function tripsOf(step: LoopStep, cells: readonly Cell[]): number {
  return step.bound === undefined ? step.trips : Math.min(step.trips, Math.max(0, cells[step.bound].read(0)))
}

/** Zeros for the slices of outputs that no trip writes. */
function clearPast(step: LoopStep, trips: number, cells: readonly Cell[]): void {
  for (const output of step.outputs) {
    if (output.kind !== 'slice') continue
    for (let at = trips * output.elements; at < step.trips * output.elements; at++) cells[output.slot].write(at, 0)
  }
}

function labelOf(step: Step): string {
  switch (step.kind) {
    case 'fused':
      return step.label
    case 'routine':
    case 'collective':
      return step.name
    case 'loop':
      return `loop of ${step.trips}`
  }
}
