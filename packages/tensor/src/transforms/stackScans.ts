/** Before a reverse pass: scans are replaced by ones that keep the carries it will read. */
import type { Node, Tensor } from '../graph/tensor.js'
import { applicationOf } from './application.js'
import { cloneGraph, TensorMap } from './cloneGraph.js'
import { hasStacks, scanWithStacks } from './derivatives/scan.js'
import type { Application, DerivativePasses } from './rules.js'
import { recordTape, type TapeEntry } from './tape.js'

/**
 * The same outputs over scans that stack their carries; the outputs themselves when there is no scan to replace.
 * Everything made since the seeds is copied, so that nodes stay in their order and sums keep their bits.
 */
export function stackScans(
  outputs: readonly Tensor[],
  seeds: readonly Tensor[],
  passes: DerivativePasses,
): readonly Tensor[] {
  const tape = recordTape(outputs, seeds, 'reverse')
  const scans = new Map<Node, TapeEntry>()
  for (const entry of tape.entries) if (entry.node.op === 'scan' && !hasStacks(entry.node)) scans.set(entry.node, entry)
  if (scans.size === 0) return outputs
  const keep = new TensorMap<Tensor>()
  for (const seed of seeds) keep.set(seed, seed)
  return cloneGraph(outputs, keep, {
    mark: Math.min(...tape.seeds.map((seed) => seed.node.id)),
    all: true,
    rewrite: (node, inputs) => {
      const entry = scans.get(node)
      return entry === undefined
        ? null
        : scanWithStacks(applicationOf(entry) as unknown as Application<'scan'>, inputs, passes)
    },
  })
}
