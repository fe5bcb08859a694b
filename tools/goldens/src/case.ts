/** What a kind of area is to the runner: a list of cases. */
import { type Area } from './areas.js'
import { type AreaFiles, type Source } from './areaFiles.js'
import { type Machine } from './backends.js'

export interface CaseContext {
  readonly machine: Machine
  readonly files: AreaFiles
}

export interface GoldenCase {
  readonly id: string
  readonly op: string
  /** The data that belongs to it: it must read all of that, and nothing else reads it. */
  readonly sources: readonly Source[]
  /** null when it passes, else one line that says where the result differs. What it throws fails it too. */
  run(context: CaseContext): Promise<string | null>
}

/** Knows how to read the index of one kind of area and how to run its cases. */
export interface GoldenKind {
  readonly kind: string
  readonly layouts: readonly number[]
  /** @throws when the index cannot be understood: the area fails */
  cases(area: Area, files: AreaFiles): GoldenCase[]
}
