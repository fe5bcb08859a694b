/**
 * The usual kernel: a row at a time, vectors along the inner axis. A work item is a row, or a block of a row where rows
 * are long and nothing is reduced.
 */
import type { FusedStep } from '@tarazed/tensor'
import { ItemLoop } from './itemLoop.js'
import { estimate, makeContext, oneStage, type Kernel, type KernelContext } from './kernelContext.js'
import { chooseCached } from './rowCache.js'
import { RowParts } from './rowParts.js'
import { BLOCK } from './walk.js'

export function emitRows(step: FusedStep, relaxed: boolean): Kernel {
  const context = makeContext(step, relaxed, step.outer.length)
  const cache = chooseCached(step, context.analysis)
  const blocks = step.phases === 0 && step.inner > 2 * BLOCK ? Math.ceil(step.inner / BLOCK) : undefined
  const parts = new RowParts(context, cache)
  const items = new ItemLoop(
    context,
    step.outer.map((_, axis) => axis),
    blocks,
  )
  items.begin()
  parts.callValues()
  items.run((block) => emitRow(context, parts, block))
  const rows = step.outer.reduce((product, extent) => product * extent, 1)
  const nanoseconds = estimate(context, blocks === undefined ? step.inner : BLOCK)
  return oneStage(context.code.finish(), rows * (blocks ?? 1), nanoseconds, cache.bytes)
}

function emitRow(context: KernelContext, parts: RowParts, block: number | undefined): void {
  const row = parts.open()
  parts.values(row, 0)
  for (let phase = 0; phase < context.step.phases; phase++) {
    parts.pass(row, phase).emit()
    parts.values(row, phase + 1)
  }
  parts.elementStores(row, block)
  parts.rowStores(row)
  parts.close(row)
}
