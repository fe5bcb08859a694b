/** Derivatives of scan: scans over bodies with derivatives. */
import { isFloat } from '../../dtype.js'
import type { ScanAttrs } from '../../graph/primitive.js'
import type { Node, Tensor } from '../../graph/tensor.js'
import { addMaybe, zeros } from '../arithmetic.js'
import { markConsumed } from '../customRules.js'
import { nodesBelow, TensorMap } from '../cloneGraph.js'
import type { Application, DerivativePasses, JvpRule, Maybe, VjpRule } from '../rules.js'
import {
  instantiate,
  makeScan,
  readPlaceholders,
  sliceSpec,
  specOf,
  traceScanBody,
  type ScanBody,
} from '../scanGraph.js'
import { recordTape, type TapeMode } from '../tape.js'

/** Operands or placeholders by role. */
interface Parts<T> {
  readonly constants: readonly T[]
  readonly carries: readonly T[]
  readonly slices: readonly T[]
}

function partsOf<T>(list: readonly T[], { constants, carries }: ScanAttrs): Parts<T> {
  return {
    constants: list.slice(0, constants),
    carries: list.slice(constants, constants + carries),
    slices: list.slice(constants + carries),
  }
}

function flat<T>(parts: Parts<T>): T[] {
  return [...parts.constants, ...parts.carries, ...parts.slices]
}

/** Which operands derivatives flow through, when a carry may become dependent only in a later trip. */
function activeParts({ attrs, needs }: Application<'scan'>, mode: TapeMode): Parts<boolean> {
  const active = [...needs]
  const { placeholders, outputs } = attrs.body
  for (let changed = true; changed;) {
    changed = false
    const tape = recordTape(
      outputs,
      placeholders.filter((_, k) => active[k]),
      mode,
    )
    for (let carry = 0; carry < attrs.carries; carry++) {
      const at = attrs.constants + carry
      if (active[at] || tape.outputs[carry] === null) continue
      active[at] = true
      changed = true
    }
  }
  return partsOf(active, attrs)
}

function where<T>(list: readonly T[], active: readonly boolean[]): T[] {
  return list.filter((_, k) => active[k])
}

/** Puts values back in the places that are active. */
function spread(values: readonly Maybe[], active: readonly boolean[]): Maybe[] {
  let next = 0
  return active.map((is) => (is ? values[next++] : null))
}

/** The reverse body: [constants], [sums for constants, cotangents of carries], [carries in, xs, cotangents of ys] -> [sums, cotangents of carries, cotangents of xs]. */
function reverseBody(
  a: Application<'scan'>,
  active: Parts<boolean>,
  stackedCts: readonly Maybe[],
  passes: DerivativePasses,
): ScanBody {
  const { attrs } = a
  const operands = partsOf(a.inputs, attrs)
  const own = partsOf(attrs.body.placeholders, attrs)
  const activeConstants = where(operands.constants, active.constants)
  const specs = {
    constants: operands.constants.map(specOf),
    carries: [...activeConstants, ...where(operands.carries, active.carries)].map(specOf),
    slices: [...own.carries.map(specOf), ...operands.slices.map(sliceSpec), ...present(stackedCts).map(sliceSpec)],
  }
  return traceScanBody(specs, (constants, cotangents, slices) => {
    const carriesIn = slices.slice(0, attrs.carries)
    const xs = slices.slice(attrs.carries, attrs.carries + operands.slices.length)
    const ctYs = spread(
      slices.slice(attrs.carries + operands.slices.length),
      stackedCts.map((ct) => ct !== null),
    )
    const ctCarries = spread(cotangents.slice(activeConstants.length), active.carries)
    const values = [...constants, ...carriesIn, ...xs]
    const outputs = instantiate(attrs.body.placeholders, attrs.body.outputs, values)
    const seeds = where(values, flat(active))
    const gradients = partsOf(spread(passes.reverse(outputs, seeds, [...ctCarries, ...ctYs]), flat(active)), attrs)
    const sums = where(gradients.constants, active.constants).map((g, k) => addMaybe(cotangents[k], g) as Tensor)
    const next = where(gradients.carries, active.carries).map(
      (g, k) => g ?? zeros(where(operands.carries, active.carries)[k]),
    )
    const ctXs = where(gradients.slices, active.slices).map(
      (g, k) => g ?? zeros(sliceSpec(where(operands.slices, active.slices)[k])),
    )
    return [...sums, ...next, ...ctXs]
  })
}

function present(list: readonly Maybe[]): Tensor[] {
  return list.filter((t) => t !== null)
}

/** Nodes that also stack the carries that enter each trip: by carry, null where it is not stacked. */
const stacks = new WeakMap<Node, readonly Maybe[]>()

/** The original scan with the wanted carries stacked as further outputs. */
function withStackedCarries(
  { attrs, inputs }: Pick<Node<'scan'>, 'attrs' | 'inputs'>,
  wanted: readonly boolean[],
): { outputs: Tensor[]; stacked: Maybe[] } {
  const operands = partsOf(inputs, attrs)
  const body = traceScanBody(
    {
      constants: operands.constants.map(specOf),
      carries: operands.carries.map(specOf),
      slices: operands.slices.map(sliceSpec),
    },
    (constants, carries, slices) => [
      ...instantiate(attrs.body.placeholders, attrs.body.outputs, [...constants, ...carries, ...slices]),
      ...where(carries, wanted),
    ],
  )
  const results = makeScan(body, operands, attrs)
  const own = attrs.body.outputs.length
  return { outputs: results.slice(0, own), stacked: spread(results.slice(own), wanted) }
}

/**
 * A scan on (new) inputs that stacks the carries its reverse pass will read beside its own outputs, so that the forward
 * loop runs once for both.
 */
export function scanWithStacks(
  a: Application<'scan'>,
  inputs: readonly Tensor[],
  passes: DerivativePasses,
): readonly Tensor[] {
  const { attrs } = a
  const everyStack = attrs.body.outputs.slice(attrs.carries)
  const cotangents = everyStack.map((t) =>
    isFloat(t.dtype) ? zeros({ shape: [attrs.trips, ...t.shape], dtype: t.dtype }) : null,
  )
  const body = reverseBody(a, activeParts(a, 'reverse'), cotangents, passes)
  const read = readPlaceholders(body)
  const wanted = body.slices.slice(0, attrs.carries).map((p) => read.has(p))
  const { outputs, stacked } = withStackedCarries({ attrs, inputs }, wanted)
  stacks.set(outputs[0].node as Node, stacked)
  return outputs
}

/** Whether a scan keeps its carries already. */
export function hasStacks(node: Node): boolean {
  return stacks.has(node)
}

/** The carries that enter each trip [trips, …]; null for those that are not wanted. */
function stackedCarries(node: Node<'scan'>, wanted: readonly boolean[]): readonly Maybe[] {
  if (!wanted.includes(true)) return wanted.map(() => null)
  const known = stacks.get(node as unknown as Node)
  if (known !== undefined && wanted.every((is, k) => !is || known[k] !== null)) return known
  return withStackedCarries(node, wanted).stacked
}

/**
 * Runs the trips backwards. The carries that entered each trip are stacked by the forward scan, and each trip's body is
 * recomputed from them, so memory grows by the carries alone.
 */
export const scanVjp: VjpRule<'scan'> = (a, cotangents, passes) => {
  const { attrs } = a
  markBodyConsumed(attrs)
  const active = activeParts(a, 'reverse')
  const operands = partsOf(a.inputs, attrs)
  const stackedCts = cotangents.slice(attrs.carries)
  const body = reverseBody(a, active, stackedCts, passes)
  const sums = where(operands.constants, active.constants).map(zeros)
  const ctCarries = where(operands.carries, active.carries).map(
    (carry, k) => where(cotangents, active.carries)[k] ?? zeros(carry),
  )
  const read = readPlaceholders(body)
  const stacked = stackedCarries(
    a.node,
    body.slices.slice(0, attrs.carries).map((p) => read.has(p)),
  )
  const results = makeScan(
    body,
    {
      constants: operands.constants,
      carries: [...sums, ...ctCarries],
      slices: [...stacked, ...operands.slices, ...present(stackedCts)],
    },
    { ...attrs, reverse: !attrs.reverse },
  )
  const gradients = spread(results, flat(active))
  return gradients.map((gradient, k) => (a.needs[k] ? gradient : null))
}

/** Forward mode over the result of a reverse pass goes through the bodies of customs, also inside the loop. */
function markBodyConsumed({ body }: ScanAttrs): void {
  for (const node of nodesBelow(body.outputs, new TensorMap(), 0)) if (node.op === 'custom') markConsumed(node)
}

/** One scan over carries and their tangents. The values are computed again beside the tangents that need them. */
export const scanJvp: JvpRule<'scan'> = (a, tangents, passes) => {
  const { attrs } = a
  const active = activeParts({ ...a, needs: tangents.map((t) => t !== null) }, 'forward')
  const operands = partsOf(a.inputs, attrs)
  const given = partsOf(tangents, attrs)
  const filledTangents = {
    constants: present(given.constants),
    carries: where(operands.carries, active.carries).map(
      (carry, k) => where(given.carries, active.carries)[k] ?? zeros(carry),
    ),
    slices: present(given.slices),
  }
  const outputs = attrs.body.outputs
  const flowing: boolean[] = []
  const body = traceScanBody(
    {
      constants: [...operands.constants, ...filledTangents.constants].map(specOf),
      carries: [...operands.carries, ...filledTangents.carries].map(specOf),
      slices: [...operands.slices, ...filledTangents.slices].map(sliceSpec),
    },
    (constants, carries, slices) => {
      const values = [
        ...constants.slice(0, attrs.constants),
        ...carries.slice(0, attrs.carries),
        ...slices.slice(0, operands.slices.length),
      ]
      const incoming = [
        ...constants.slice(attrs.constants),
        ...carries.slice(attrs.carries),
        ...slices.slice(operands.slices.length),
      ]
      const results = instantiate(attrs.body.placeholders, outputs, values)
      const moved = passes.forward(results, where(values, flat(active)), incoming)
      moved.forEach((t, k) => flowing.push(k < attrs.carries ? active.carries[k] : t !== null))
      const out = moved.map((t, k) => (flowing[k] ? (t ?? zeros(outputs[k])) : null))
      return [
        ...results.slice(0, attrs.carries),
        ...present(out.slice(0, attrs.carries)),
        ...present(out.slice(attrs.carries)),
      ]
    },
  )
  const results = makeScan(
    body,
    {
      constants: [...operands.constants, ...filledTangents.constants],
      carries: [...operands.carries, ...filledTangents.carries],
      slices: [...operands.slices, ...filledTangents.slices],
    },
    attrs,
  )
  return spread(results.slice(attrs.carries), flowing)
}
