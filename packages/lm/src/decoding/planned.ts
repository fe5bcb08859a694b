/** Models whose rotary base depends on the planned length of a sequence. */
import { type CausalModel } from '../causalModel.js'
import { structureOf } from './steps.js'

/** Planned lengths are rounded up, so that few of them make models of their own. */
const PLANNED_STEP = 64

/** Things that are computed with one and the same model. */
export interface Planned<Cache, T> {
  readonly model: CausalModel<Cache>
  readonly items: T[]
}

/** The items by the model for their lengths, in the order of the first of each; sequences whose models differ never share a batch. */
export function byPlannedModel<Cache, T>(
  model: CausalModel<Cache>,
  items: readonly T[],
  lengthOf: (item: T) => number,
): Planned<Cache, T>[] {
  const groups = new Map<string, Planned<Cache, T>>()
  for (const item of items) {
    const planned = plannedModel(model, lengthOf(item))
    const key = planned === model ? '' : structureOf(planned)
    const group = groups.get(key) ?? { model: planned, items: [] }
    group.items.push(item)
    groups.set(key, group)
  }
  return [...groups.values()]
}

function plannedModel<Cache>(model: CausalModel<Cache>, length: number): CausalModel<Cache> {
  const rounded = Math.ceil(length / PLANNED_STEP) * PLANNED_STEP
  return model.planned?.(Math.min(rounded, Math.max(length, model.contextLength))) ?? model
}

/** A list cut into parts of at most `size`. */
export function partsOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, k) => items.slice(k * size, (k + 1) * size))
}
