/** scan under vmap: a scan whose carries and slices have the mapped axis in front. */
import type { ScanAttrs, TensorSpec } from '../../graph/primitive.js'
import { broadcast, compare, iota, reduceOver, select } from '../../graph/primitives.js'
import type { Node, Tensor } from '../../graph/tensor.js'
import { constant } from '../arithmetic.js'
import type { Batched, BatchFunction, BatchRule } from '../rules.js'
import { instantiate, makeScan, specOf, traceScanBody } from '../scanGraph.js'
import { recordTape } from '../tape.js'
import { lead, mapped, moveAxis, unmapped } from './lead.js'

/** Which operands are mapped, when a carry may become mapped only in a later trip. */
function mappedOperands(attrs: ScanAttrs, operands: readonly Batched[]): boolean[] {
  const flags = operands.map((operand) => operand.batched)
  const { placeholders, outputs } = attrs.body
  for (let changed = true; changed;) {
    changed = false
    const tape = recordTape(
      outputs,
      placeholders.filter((_, k) => flags[k]),
      'value',
    )
    for (let carry = 0; carry < attrs.carries; carry++) {
      if (flags[attrs.constants + carry] || tape.outputs[carry] === null) continue
      flags[attrs.constants + carry] = true
      changed = true
    }
  }
  return flags
}

export const batchedScan: BatchRule<'scan'> = (node, operands, size, batch) => {
  const { attrs } = node
  if (attrs.bounded && operands[0].batched) return batchedScan(...withOwnTrips(node, operands), size, batch)
  const flags = mappedOperands(attrs, operands)
  const firstSlice = attrs.constants + attrs.carries
  const tensors = operands.map((operand, k) => {
    if (!flags[k]) return operand.tensor
    const full = lead(operand, size)
    return k < firstSlice ? full : moveAxis(full, 0, 1) // [V, trips, …] -> [trips, V, …]
  })
  const parts = <T>(list: readonly T[]): [readonly T[], readonly T[], readonly T[]] => [
    list.slice(0, attrs.constants),
    list.slice(attrs.constants, firstSlice),
    list.slice(firstSlice),
  ]
  const [constants, carries, slices] = parts(tensors)
  const stackedMapped: boolean[] = []
  const specs = {
    constants: constants.map(specOf),
    carries: carries.map(specOf),
    slices: slices.map((t) => ({ shape: t.shape.slice(1), dtype: t.dtype })),
  }
  const body = traceScanBody(specs, (inner, carriesIn, slicesIn) => {
    const results = bodyResults(attrs, [...inner, ...carriesIn, ...slicesIn], flags, size, batch)
    return results.map((result, k) => {
      if (k >= attrs.carries) stackedMapped.push(result.batched)
      return k < attrs.carries && flags[attrs.constants + k] ? lead(result, size) : result.tensor
    })
  })
  const outputs = makeScan(body, { constants, carries, slices }, attrs)
  return outputs.map((output, k) => {
    if (k < attrs.carries) return flags[attrs.constants + k] ? mapped(output) : unmapped(output)
    return stackedMapped[k - attrs.carries] ? mapped(moveAxis(output, 1, 0)) : unmapped(output)
  })
}

/**
 * Examples with numbers of trips of their own: the loop makes the most of them, and an example keeps its carries in the trips
 * past its own. Such a trip computes with zeros for slices and the carry that it keeps.
 */
function withOwnTrips(node: Node<'scan'>, [own, ...rest]: readonly Batched[]): [Node<'scan'>, Batched[]] {
  const { attrs } = node
  const spec = (k: number): TensorSpec => specOf(attrs.body.placeholders[k])
  const all = attrs.body.placeholders.map((_, k) => spec(k))
  const firstSlice = attrs.constants + attrs.carries
  const count: TensorSpec = { shape: [], dtype: 'i32' }
  const body = traceScanBody(
    {
      constants: [count, ...all.slice(0, attrs.constants)],
      carries: all.slice(attrs.constants, firstSlice),
      slices: [...all.slice(firstSlice), count],
    },
    ([, ...constants], carries, slices) => {
      const active = compare('lt', slices[slices.length - 1], constants[0])
      const choose = (x: Tensor, otherwise: Tensor): Tensor => select(broadcast(active, x.shape), x, otherwise)
      const inUse = slices.slice(0, -1).map((x) => choose(x, constant(x, 0)))
      const results = instantiate(attrs.body.placeholders, attrs.body.outputs, [...constants, ...carries, ...inUse])
      return results.map((result, k) => choose(result, carries[k] ?? constant(result, 0)))
    },
  )
  const bounded: ScanAttrs = {
    ...attrs,
    body: { placeholders: [...body.constants, ...body.carries, ...body.slices], outputs: body.outputs },
    constants: attrs.constants + 1,
  }
  const most = reduceOver('max', own.tensor, [0])
  return [{ ...node, attrs: bounded }, [unmapped(most), own, ...rest, unmapped(iota(attrs.trips))]]
}

function bodyResults(
  attrs: ScanAttrs,
  values: readonly Tensor[],
  flags: readonly boolean[],
  size: number,
  batch: BatchFunction,
): Batched[] {
  const operands = values.map((tensor, k) => ({ tensor, batched: flags[k] }))
  return batch(
    (inputs) => instantiate(attrs.body.placeholders, attrs.body.outputs, inputs),
    operands,
    size,
  ) as Batched[]
}
