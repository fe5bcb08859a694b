/**
 * Lays a program out in memory: descriptors of its kernels and routines, and the lists of records that the driver walks.
 */
import {
  dtypeBytes,
  InternalError,
  type FusedStep,
  type LoopStep,
  type Program,
  type RoutineStep,
  type Step,
} from '@tarazed/tensor'
import { routinePlanners } from '../routines/index.js'
import type { ResultTiles, RoutineStage } from '../routines/plan.js'
import { Image } from './image.js'
import type { FreshKernel, KernelCache, LoadedKernel } from './kernelCache.js'
import {
  BARRIER_BEFORE,
  CLEAR,
  COPY,
  EPILOGUE,
  FILL,
  FILL_ENTRY_BYTES,
  HEADER,
  LIST_RECORDS,
  LOOP,
  PARALLEL,
  PATCH_BYTES,
  PATCH_ENTRY_BYTES,
  RECORD,
  RECORD_BYTES,
  STAGE,
} from './layout.js'

/** What the engine must know of a program to run it. */
export interface Layout {
  readonly image: Image
  readonly kernels: readonly LoadedKernel[]
  readonly fresh: readonly FreshKernel[]
  readonly threadScratchBytes: number
  readonly sharedScratchBytes: number
  readonly arenaBytes: number
  /** Estimated time on one thread. */
  readonly nanoseconds: number
  readonly parallel: boolean
  /** For the records of the outermost list: the step they belong to, -1 for the engine's own. */
  readonly stepOfRecord: readonly number[]
  /** Steps that run once a run, loop bodies counted once a trip. */
  readonly stepCount: number
}

export interface LayoutOptions {
  readonly threads: number
  readonly kernels: KernelCache
  /** Position of a routine's function in the table. */
  readonly routineIndex: (name: string) => number
}

/** Below this a stage is left to one thread: waking the other costs more. */
const PARALLEL_NANOSECONDS = 20_000
/** Items claimed at once should take about this long. */
const CLAIM_NANOSECONDS = 15_000

/** A word that holds an address, and what to add to it. */
interface Reference {
  readonly word: number
  readonly addend: number
}

/** A word to fill in before the steps run. */
interface Entry {
  readonly to: number
  readonly from: Reference
}

/** Where a (nested) program finds its slots. */
interface Binding {
  readonly program: Program
  /** Image offsets of the words with the addresses of inputs and outputs. */
  readonly inputs: number
  readonly outputs: number
  /** Bytes before its temps in the arena. */
  readonly arenaOffset: number
}

interface Record {
  readonly fields: readonly (readonly [offset: number, value: number, address?: boolean])[]
  readonly parallel: boolean
  /** An epilogue follows every item; its fields are there. */
  readonly epilogue?: boolean
  /** Position of its step in the program, -1 for the engine's own. */
  readonly step: number
}

export function layOut(program: Program, options: LayoutOptions): Layout {
  return new Layouter(program, options).layout()
}

class Layouter {
  readonly #image = new Image()
  readonly #kernels: LoadedKernel[] = []
  readonly #fresh: FreshKernel[] = []
  readonly #params: number
  #threadScratch = 0
  #sharedScratch = 0
  #nanoseconds = 0
  #stepCount = 0
  #arenaBytes = 0

  constructor(
    readonly program: Program,
    readonly options: LayoutOptions,
  ) {
    const { inputCount, outputCount, params } = program
    this.#image.reserve(HEADER.bindings / 4 + inputCount + outputCount + params.length)
    this.#params = HEADER.bindings + 4 * (inputCount + outputCount)
  }

  /** Kernels that were acquired stay only when all went well. */
  layout(): Layout {
    try {
      return this.#layOut()
    } catch (error) {
      for (const kernel of this.#kernels) this.options.kernels.release(kernel)
      this.options.kernels.discard(this.#fresh)
      throw error
    }
  }

  #layOut(): Layout {
    const { program } = this
    const inputs = HEADER.bindings
    const binding = { program, inputs, outputs: inputs + 4 * program.inputCount, arenaOffset: 0 }
    const { address, records } = this.#list(binding, 1)
    this.#image.setAddress(HEADER.list, address)
    const parallel = records.some((record) => record.parallel)
    // The run has ended only when no other thread reads the lists any more: they may be freed then.
    this.#image.set(HEADER.endBarrier, parallel ? 1 : 0)
    return {
      image: this.#image,
      kernels: this.#kernels,
      fresh: this.#fresh,
      threadScratchBytes: this.#threadScratch,
      sharedScratchBytes: this.#sharedScratch,
      arenaBytes: this.#arenaBytes,
      nanoseconds: this.#nanoseconds,
      parallel,
      stepOfRecord: records.map((record) => record.step),
      stepCount: this.#stepCount,
    }
  }

  /** Builds the list of a program: first the descriptors are filled, then the steps follow. */
  #list(binding: Binding, trips: number): { address: number; records: Record[] } {
    this.#arenaBytes = Math.max(this.#arenaBytes, binding.arenaOffset + binding.program.arenaBytes)
    const entries: Entry[] = []
    const steps = binding.program.steps.flatMap((step, index) => this.#records(step, index, binding, entries, trips))
    const fill = this.#fillRecord(entries)
    const records = fill ? [fill, ...steps] : steps
    return { address: this.#writeList(records, binding.program === this.program), records }
  }

  /**
   * Threads meet before and after every parallel stage, so that whatever thread 0 does alone is ordered with it. The
   * body of a loop starts with a meeting, since another thread may still be in the stage that ended the last trip.
   */
  #writeList(records: readonly Record[], outermost: boolean): number {
    const address = this.#image.reserve((LIST_RECORDS + RECORD_BYTES * records.length) / 4, 8)
    this.#image.set(address, records.length)
    this.#image.set(address + 4, outermost ? 1 : 0)
    let before = !outermost && records.some((record) => record.parallel)
    records.forEach((record, index) => {
      const at = address + LIST_RECORDS + RECORD_BYTES * index
      const meets = before || record.parallel
      const flags = (record.parallel ? PARALLEL : 0) | (meets ? BARRIER_BEFORE : 0) | (record.epilogue ? EPILOGUE : 0)
      this.#image.set(at + RECORD.flags, flags)
      for (const [offset, value, isAddress] of record.fields) {
        if (isAddress) this.#image.setAddress(at + offset, value)
        else this.#image.set(at + offset, value)
      }
      before = record.parallel
    })
    return address
  }

  #fillRecord(entries: readonly Entry[]): Record | undefined {
    if (entries.length === 0) return undefined
    const at = this.#image.reserve((FILL_ENTRY_BYTES * entries.length) / 4)
    entries.forEach(({ to, from }, k) => {
      this.#image.setAddress(at + FILL_ENTRY_BYTES * k, to)
      this.#image.setAddress(at + FILL_ENTRY_BYTES * k + 4, from.word)
      this.#image.set(at + FILL_ENTRY_BYTES * k + 8, from.addend)
    })
    const fields = [
      [RECORD.kind, FILL],
      [RECORD.count, entries.length],
      [RECORD.entries, at, true],
    ] as const
    return { fields, parallel: false, step: -1 }
  }

  #slot(binding: Binding, slot: number): Reference {
    const { place } = binding.program.slots[slot]
    switch (place.kind) {
      case 'input':
        return { word: binding.inputs + 4 * place.index, addend: 0 }
      case 'output':
        return { word: binding.outputs + 4 * place.index, addend: 0 }
      case 'temp':
        return { word: HEADER.arena, addend: binding.arenaOffset + place.offset }
    }
  }

  #records(step: Step, index: number, binding: Binding, entries: Entry[], trips: number): Record[] {
    this.#stepCount += trips
    switch (step.kind) {
      case 'fused':
        return this.#fused(step, index, binding, entries, trips)
      case 'routine':
        return this.#routine(step, index, binding, entries, trips)
      case 'loop':
        return this.#loop(step, index, binding, entries, trips)
      case 'collective':
        throw new InternalError('kernels-cpu: a collective step reached the engine; @tarazed/distributed runs those')
      default:
        return step satisfies never
    }
  }

  #fused(step: FusedStep, index: number, binding: Binding, entries: Entry[], trips: number): Record[] {
    const loaded = this.options.kernels.acquire(step, this.#fresh)
    this.#kernels.push(loaded)
    const stages = loaded.stages.filter((stage) => stage.items > 0)
    const desc = this.#kernelDescriptor(step, loaded, binding, entries)
    return stages.map((stage) => this.#stage(stage.tableIndex, desc, stage.items, stage.itemNanoseconds, index, trips))
  }

  #kernelDescriptor({ operands, params }: FusedStep, loaded: LoadedKernel, binding: Binding, entries: Entry[]): number {
    const desc = this.#image.reserve(operands.length + params.length + 1)
    operands.forEach((slot, k) => entries.push({ to: desc + 4 * k, from: this.#slot(binding, slot) }))
    params.forEach((param, k) => {
      entries.push({ to: desc + 4 * (operands.length + k), from: { word: this.#params + 4 * param, addend: 0 } })
    })
    if (loaded.sharedBytes > 0) {
      entries.push({ to: desc + 4 * (operands.length + params.length), from: { word: HEADER.shared, addend: 0 } })
    }
    this.#threadScratch = Math.max(this.#threadScratch, loaded.scratchBytes)
    this.#sharedScratch = Math.max(this.#sharedScratch, loaded.sharedBytes)
    return desc
  }

  #stage(fn: number, desc: number, items: number, itemNanoseconds: number, step: number, trips: number): Record {
    const total = items * itemNanoseconds
    const { threads } = this.options
    this.#nanoseconds += trips * (total + 50)
    const parallel = threads > 1 && items > 1 && total > PARALLEL_NANOSECONDS
    const byTime = Math.ceil(CLAIM_NANOSECONDS / Math.max(1, itemNanoseconds))
    const chunk = parallel ? Math.min(byTime, Math.ceil(items / (4 * threads))) : 8 * byTime
    return {
      fields: [
        [RECORD.kind, STAGE],
        [RECORD.fn, fn],
        [RECORD.desc, desc, true],
        [RECORD.items, items],
        [RECORD.chunk, Math.max(1, Math.min(chunk, items))],
      ],
      parallel,
      step,
    }
  }

  #routine(step: RoutineStep, index: number, binding: Binding, entries: Entry[], trips: number): Record[] {
    const plan = routinePlanners[step.name](step)
    const views = [...step.operands, ...step.results]
    const desc = this.#image.reserve(views.length + 1 + plan.words.length)
    views.forEach((view, k) => {
      const { word, addend } = this.#slot(binding, view.slot)
      const bytes = view.offset * dtypeBytes(view.dtype)
      entries.push({ to: desc + 4 * k, from: { word, addend: addend + bytes } })
    })
    entries.push({ to: desc + 4 * views.length, from: { word: HEADER.shared, addend: 0 } })
    plan.words.forEach((value, k) => this.#image.set(desc + 4 * (views.length + 1 + k), value))
    this.#threadScratch = Math.max(this.#threadScratch, plan.threadBytes)
    this.#sharedScratch = Math.max(this.#sharedScratch, plan.sharedBytes)
    const stages = plan.stages.filter((stage) => stage.items > 0)
    const record = (stage: RoutineStage, extraNanoseconds = 0): Record => {
      const nanoseconds = stage.itemNanoseconds + extraNanoseconds
      return this.#stage(this.options.routineIndex(stage.fn), desc, stage.items, nanoseconds, index, trips)
    }
    if (step.epilogue === undefined) return stages.map((stage) => record(stage))
    const follow = stages.length > 0 && plan.tiles && this.#follow(step, step.epilogue, plan.tiles, binding, entries)
    if (!follow)
      return [...stages.map((stage) => record(stage)), ...this.#fused(step.epilogue, index, binding, entries, trips)]
    const last = record(stages[stages.length - 1], follow.itemNanoseconds)
    return [
      ...stages.slice(0, -1).map((stage) => record(stage)),
      { ...last, fields: [...last.fields, ...follow.fields], epilogue: true },
    ]
  }

  /** The part of a record that makes the driver call an epilogue after every item; undefined where it cannot follow the tiles. */
  #follow(step: RoutineStep, epilogue: FusedStep, tiles: ResultTiles, binding: Binding, entries: Entry[]) {
    const tiled = this.options.kernels.acquireTiled(epilogue, step.results[0].slot, tiles, this.#fresh)
    if (tiled === undefined) return undefined
    const { kernel } = tiled
    this.#kernels.push(kernel)
    const [stage] = kernel.stages
    const { rows, rowTilesFirst } = tiles
    const itemsOfTile = tiles.tileRows * tiled.itemsOfRow
    // Where row tiles come first every tile is a strip of its own.
    const stripTiles = rowTilesFirst ? 1 : Math.ceil(rows / tiles.tileRows)
    const fields: Record['fields'] = [
      [RECORD.epilogueFn, stage.tableIndex],
      [RECORD.epilogueDesc, this.#kernelDescriptor(epilogue, kernel, binding, entries), true],
      [RECORD.stripTiles, stripTiles],
      [RECORD.stripRows, rowTilesFirst ? itemsOfTile : rows * tiled.itemsOfRow],
      [RECORD.tileRows, itemsOfTile],
    ]
    return { fields, itemNanoseconds: itemsOfTile * stage.itemNanoseconds }
  }

  /** The slots that the body sees get words of their own, which the driver rewrites every trip. */
  #loop(step: LoopStep, index: number, binding: Binding, entries: Entry[], trips: number): Record[] {
    const words = new Map<number, number>()
    const wordOf = (slot: number): number => {
      const known = words.get(slot)
      if (known !== undefined) return known
      const word = this.#image.reserve(1)
      words.set(slot, word)
      entries.push({ to: word, from: this.#slot(binding, slot) })
      return word
    }
    if (step.trips === 0)
      return step.carries.map((carry) =>
        this.#copyRecord(wordOf(carry.final), wordOf(carry.init), binding.program.slots[carry.init].bytes, index),
      )
    const { body } = step
    const inputs = this.#image.reserve(body.inputCount)
    const outputs = this.#image.reserve(body.outputCount)
    const patches = [
      ...step.inputs.map((input, k) => ({ to: inputs + 4 * k, ...this.#inputPatch(step, input, wordOf, body, k) })),
      ...step.outputs.map((output, k) => ({
        to: outputs + 4 * k,
        ...this.#outputPatch(step, output, wordOf, body, k),
      })),
    ]
    const at = this.#image.reserve((PATCH_ENTRY_BYTES * patches.length) / 4)
    patches.forEach((patch, k) => {
      const words = [patch.to, ...patch.words]
      words.forEach((word, position) => this.#image.setAddress(at + PATCH_ENTRY_BYTES * k + 4 * position, word))
      this.#image.set(at + PATCH_ENTRY_BYTES * k + PATCH_BYTES, patch.bytes)
    })
    const inner = { program: body, inputs, outputs, arenaOffset: binding.arenaOffset + step.arenaOffset }
    const { address, records } = this.#list(inner, trips * step.trips)
    const bound = step.bound === undefined ? undefined : wordOf(step.bound)
    const unmade = bound === undefined ? [] : this.#unmadeTrips(step, bound, wordOf, binding.program, index)
    return [
      ...unmade,
      {
        fields: [
          [RECORD.kind, LOOP],
          ...boundField(bound),
          [RECORD.count, patches.length],
          [RECORD.entries, at, true],
          [RECORD.trips, step.trips],
          [RECORD.body, address, true],
          [RECORD.reverse, step.reverse ? 1 : 0],
        ],
        parallel: records.some((record) => record.parallel),
        step: index,
      },
    ]
  }

  #copyRecord(to: number, from: number, bytes: number, step: number): Record {
    const fields = [
      [RECORD.kind, COPY],
      [RECORD.to, to, true],
      [RECORD.from, from, true],
      [RECORD.bytes, bytes],
    ] as const
    return { fields, parallel: false, step }
  }

  /** What a bounded loop leaves undone: slices past the bound become zero, carries of no trips at all are the first ones. */
  #unmadeTrips(
    step: LoopStep,
    bound: number,
    wordOf: (slot: number) => number,
    { slots }: Program,
    index: number,
  ): Record[] {
    const cleared = step.outputs.flatMap((output): Record[] => {
      if (output.kind === 'carry') return []
      const fields = [
        [RECORD.kind, CLEAR],
        [RECORD.to, wordOf(output.slot), true],
        [RECORD.bytes, output.elements * dtypeBytes(slots[output.slot].dtype)],
        [RECORD.trips, step.trips],
        ...boundField(bound),
      ] as const
      return [{ fields, parallel: false, step: index }]
    })
    const copied = step.carries.map((carry): Record => {
      const copy = this.#copyRecord(wordOf(carry.final), wordOf(carry.init), slots[carry.init].bytes, index)
      return { ...copy, fields: [...copy.fields, [RECORD.trips, step.trips], ...boundField(bound)] }
    })
    return [...cleared, ...copied]
  }

  #inputPatch(
    step: LoopStep,
    input: LoopStep['inputs'][number],
    wordOf: (slot: number) => number,
    body: Program,
    k: number,
  ): Patch {
    switch (input.kind) {
      case 'whole':
        return samePatch(wordOf(input.slot), 0)
      case 'slice':
        return samePatch(wordOf(input.slot), input.elements * elementBytes(body, 'input', k))
      case 'carry': {
        const { init, buffers } = step.carries[input.carry]
        const words = [init, ...buffers].map(wordOf)
        return { words: [...words, ...words], bytes: 0 }
      }
    }
  }

  #outputPatch(
    step: LoopStep,
    output: LoopStep['outputs'][number],
    wordOf: (slot: number) => number,
    body: Program,
    k: number,
  ): Patch {
    switch (output.kind) {
      case 'slice':
        return samePatch(wordOf(output.slot), output.elements * elementBytes(body, 'output', k))
      case 'carry': {
        const { final, buffers } = step.carries[output.carry]
        const [even, odd] = [wordOf(buffers[1]), wordOf(buffers[0])]
        const last = wordOf(final)
        return { words: [even, even, odd, last, last, last], bytes: 0 }
      }
    }
  }
}

interface Patch {
  /** First, even and odd trip, then the same for the last one. */
  readonly words: readonly number[]
  readonly bytes: number
}

function samePatch(word: number, bytes: number): Patch {
  return { words: [word, word, word, word, word, word], bytes }
}

function boundField(bound: number | undefined): Record['fields'] {
  return bound === undefined ? [] : [[RECORD.bound, bound, true]]
}

function elementBytes(body: Program, kind: 'input' | 'output', index: number): number {
  const slot = body.slots.find(({ place }) => place.kind === kind && place.index === index)
  // A body that ignores an input has no slot for it, and then no address is read.
  return slot ? dtypeBytes(slot.dtype) : 0
}
