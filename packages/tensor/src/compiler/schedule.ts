/** The order of steps: operands first, else as near to the order of the program as that allows. */
import { Group } from './group.js'
import type { Call, FusedGraph } from './fuse.js'
import type { Value } from './value.js'

export type PlannedStep = Group | Call

/** Where a value lies: reshapes share the bytes of their operand, slice updates in place the buffer of theirs. */
export function storageOf(value: Value, fused: FusedGraph): Value {
  let base = value
  for (;;) {
    const operand = fused.sameBytes.get(base)
    if (operand !== undefined) base = operand
    else if (fused.storedBy.get(base)?.update === base) base = base.inputs[0]
    else return base
  }
}

/** Whether a value is (the reshaped bytes of) a buffer after an update in place. */
export function isUpdated(value: Value, fused: FusedGraph): boolean {
  let base = value
  for (let operand = fused.sameBytes.get(base); operand !== undefined; operand = fused.sameBytes.get(base))
    base = operand
  return fused.storedBy.get(base)?.update === base
}

/** Values that a step reads from memory. */
export function readsOf(step: PlannedStep, fused: FusedGraph): readonly Value[] {
  if (step instanceof Group) return [...step.loads]
  const operands = step.operands.map((operand) => operand.base)
  const epilogue = fused.epilogues.epilogueOf.get(step)
  return epilogue === undefined ? operands : [...operands, ...epilogue.loads]
}

/**
 * Where steps belong in the order: where their last value was made. Steps that nothing waits for, such as updates of parameters, follow
 * what they read instead, so that it is still in the cache and its memory is free soon; but not before other readers
 * of the inputs they read, which they may overwrite.
 */
function placeKeys(
  steps: readonly PlannedStep[],
  fused: FusedGraph,
  needsOf: (step: PlannedStep) => readonly PlannedStep[],
): ReadonlyMap<PlannedStep, number> {
  const keys = new Map<PlannedStep, number>(steps.map((step) => [step, lastValue(step)]))
  const needs = new Map(steps.map((step) => [step, needsOf(step)]))
  const awaited = new Set([...needs.values()].flat())
  const lastReader = new Map<Value, number>()
  for (const step of steps) {
    if (!awaited.has(step)) continue
    const key = keys.get(step)! // as above
    for (const value of readsOf(step, fused)) {
      if (value.op === 'input') lastReader.set(value, Math.max(lastReader.get(value) ?? -1, key))
    }
  }
  for (const step of steps) {
    if (awaited.has(step)) continue
    const makers = (needs.get(step) ?? []).map((maker) => keys.get(maker) ?? -1)
    const readers = readsOf(step, fused).map((value) => lastReader.get(value) ?? -1)
    const last = [...makers, ...readers].reduce((a, b) => Math.max(a, b), -1)
    keys.set(step, Math.min(last + 0.5, lastValue(step)))
  }
  return keys
}

/** Number of the last value that a step makes. */
function lastValue(step: PlannedStep): number {
  if (!(step instanceof Group)) return step.value.id
  return step.roots.reduce((last, { value }) => Math.max(last, value.id), -1)
}

/** Every step once, operands first. An epilogue is not listed: it is a part of its product. */
export function scheduleSteps(fused: FusedGraph): PlannedStep[] {
  const { epilogueOf, after } = fused.epilogues
  const callOf = new Map<Value, Call>(fused.calls.map((call) => [call.value, call]))
  const hostOf = new Map<PlannedStep, Call>([...epilogueOf].map(([call, group]) => [group, call]))
  const makerOf = (value: Value): PlannedStep | undefined => {
    let base = value
    for (let x = fused.sameBytes.get(base); x !== undefined; x = fused.sameBytes.get(base)) base = x
    const maker = base.op === 'result' ? callOf.get(base.inputs[0]) : fused.storedBy.get(base)
    return maker === undefined ? undefined : (hostOf.get(maker) ?? maker)
  }
  const needsOf = (step: PlannedStep): PlannedStep[] => {
    const makers = readsOf(step, fused).map(makerOf)
    const others = step instanceof Group ? [] : (after.get(step) ?? []).map((other) => hostOf.get(other) ?? other)
    return [...makers.filter((maker) => maker !== undefined), ...others]
  }
  const order: PlannedStep[] = []
  const done = new Set<PlannedStep>()
  const all = [...fused.groups.filter((group) => !hostOf.has(group)), ...fused.calls]
  const keys = placeKeys(all, fused, needsOf)
  const keyOf = (step: PlannedStep): number => keys.get(step)! // every maker is one of `all`
  all.sort((a, b) => keyOf(a) - keyOf(b))
  for (const step of all) visit(step)
  return order

  /** Depth first with a stack of its own: chains of steps may be long. */
  function visit(root: PlannedStep): void {
    const stack: { step: PlannedStep; pending: PlannedStep[] }[] = []
    const enter = (step: PlannedStep): void => {
      if (done.has(step)) return
      done.add(step)
      const pending = needsOf(step).filter((maker) => !done.has(maker))
      stack.push({ step, pending: [...new Set(pending)].sort((a, b) => keyOf(b) - keyOf(a)) })
    }
    enter(root)
    while (stack.length > 0) {
      const top = stack[stack.length - 1]
      const next = top.pending.pop()
      if (next !== undefined) enter(next)
      else {
        order.push(top.step)
        stack.pop()
      }
    }
  }
}
