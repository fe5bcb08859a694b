/** Kind `onnx`: single nodes of the ONNX backend suite, as compositions of public operators. */
import { Attributes } from '../../attributes.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type CaseContext, type GoldenCase, type GoldenKind } from '../../case.js'
import { compareTensors, type Tolerance } from '../../compare.js'
import { CaseTensors, IndexError, listOf, readIndex, type StoredTensor } from '../../stored.js'
import { ATTENTION } from './attention.js'
import { CONVOLUTIONS } from './convolution.js'
import { ELEMENTWISE } from './elementwise.js'
import { INDEXING } from './indexing.js'
import { LOSSES } from './losses.js'
import { MOVEMENT } from './movement.js'
import { OnnxNode, type NodeRunner } from './node.js'
import { NORMALIZATION } from './normalization.js'
import { POOLING } from './pooling.js'
import { PRODUCTS } from './products.js'
import { REDUCTIONS } from './reductions.js'
import { RESIZE } from './resize.js'

const NODES: Readonly<Record<string, NodeRunner>> = {
  ...ELEMENTWISE,
  ...REDUCTIONS,
  ...PRODUCTS,
  ...CONVOLUTIONS,
  ...POOLING,
  ...RESIZE,
  ...NORMALIZATION,
  ...INDEXING,
  ...MOVEMENT,
  ...LOSSES,
  ...ATTENTION,
}

interface OnnxEntry {
  readonly id: string
  readonly op: string
  readonly opset: number
  readonly file: string
  readonly key: string
  readonly attrs: Readonly<Record<string, unknown>>
  /** null: an optional operand left out. */
  readonly inputs: readonly (StoredTensor | null)[]
  readonly outputs: readonly (StoredTensor | null)[]
  readonly tol: { readonly out: Tolerance }
}

export const onnxKind: GoldenKind = {
  kind: 'onnx',
  layouts: [1],
  cases(_area, files: AreaFiles): GoldenCase[] {
    const entries = listOf(readIndex(files), 'cases') as unknown as OnnxEntry[]
    return entries.map((entry) => ({
      id: entry.id,
      op: entry.op,
      sources: [{ file: entry.file, key: entry.key }],
      run: (context) => runNode(entry, context),
    }))
  },
}

async function runNode(entry: OnnxEntry, { files, machine }: CaseContext): Promise<string | null> {
  if (!Object.hasOwn(NODES, entry.op)) throw new IndexError(`no runner for node type ${entry.op}`)
  const stored = new CaseTensors(files, entry.file, entry.key)
  const operands = entry.inputs.map((input) => (input === null ? null : stored.host(input)))
  const wanted = entry.outputs.map((output) => (output === null ? null : stored.host(output)))
  const attrs = new Attributes(entry.attrs)
  const node = new OnnxNode(
    entry.op,
    entry.opset,
    attrs,
    operands,
    wanted.map((want) => want !== null),
  )
  const results = [NODES[entry.op](node)].flat()
  if (attrs.unread().length > 0)
    throw new IndexError(`the runner does not know the attributes ${attrs.unread().join(', ')}`)
  const asked = wanted.flatMap((want, position) =>
    want === null ? [] : [{ want, position, result: results[position] ?? null }],
  )
  const missing = asked.find(({ result }) => result === null)
  if (missing !== undefined) return `result ${missing.position} is missing`
  const got = await machine.read(asked.flatMap(({ result }) => (result === null ? [] : [result])))
  const lines = asked.map(({ want, position }, k) =>
    compareTensors(`out${position}`, got[k], want, { tolerance: isExact(want.dtype) ? [0, 0] : entry.tol.out }),
  )
  return lines.find((line) => line !== null) ?? null
}

/** Indices, counts and truth values have no tolerance, whatever the case says of its floats. */
function isExact(dtype: string): boolean {
  return !/^(f|bf)\d/.test(dtype)
}
