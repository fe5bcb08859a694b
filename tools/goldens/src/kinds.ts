/** The kinds of areas that have a runner. A new kind is a folder under `kinds/` and a line here. */
import { type Area } from './areas.js'
import { type GoldenKind } from './case.js'
import { lmKind } from './kinds/lm/index.js'
import { onnxKind } from './kinds/onnx/index.js'
import { tensorKind } from './kinds/tensor/index.js'

const KINDS: readonly GoldenKind[] = [tensorKind, onnxKind, lmKind]

/** The runner of an area, or one line on why there is none. */
export function kindOf(area: Area): GoldenKind | string {
  const kind = KINDS.find((candidate) => candidate.kind === area.kind)
  if (kind === undefined)
    return `no runner for kind ${JSON.stringify(area.kind)}, only for ${KINDS.map((known) => known.kind).join(', ')}`
  if (!kind.layouts.includes(area.layout))
    return `no runner for layout ${area.layout} of kind ${area.kind}, only for ${kind.layouts.join(', ')}`
  return kind
}
