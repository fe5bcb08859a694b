/** The structure of a graph as text: equal texts mean equal programs. Also its leaves and scalars, in the order of `buildValues`. */
import type { PrimitiveAttrs, SubGraph } from '../graph/primitive.js'
import type { Node, Tensor } from '../graph/tensor.js'
import { attrsKey, collectNodes } from './value.js'

export interface GraphKey {
  readonly text: string
  /** Tensors with values that the graph reads. */
  readonly leaves: readonly Tensor[]
  /** Values of the `scalar` nodes, which are parameters of the program. */
  readonly params: readonly number[]
}

export function graphKey(nodes: readonly Node[], outputs: readonly Tensor[], fuse: boolean): GraphKey {
  const position = new Map<number, number>()
  const leafPosition = new Map<Tensor, number>()
  const leaves: Tensor[] = []
  const params: number[] = []
  const parts: string[] = [fuse ? 'f' : 'u']
  const reference = (tensor: Tensor): string => {
    if (tensor.node !== null) return `${position.get(tensor.node.id)}.${tensor.output}`
    let at = leafPosition.get(tensor)
    if (at === undefined) {
      at = leaves.push(tensor) - 1
      leafPosition.set(tensor, at)
      parts.push(`<${tensor.dtype}[${tensor.shape.join(',')}]`)
    }
    return `L${at}`
  }
  nodes.forEach((node, k) => {
    position.set(node.id, k)
    const inputs = node.inputs.map(reference).join(',')
    parts.push(
      `${node.op}(${inputs})${nodeAttrsKey(node)}:${node.outputs[0].dtype}[${node.outputs[0].shape.join(',')}]`,
    )
    if (node.op === 'scalar') params.push((node.attrs as PrimitiveAttrs['scalar']).value)
  })
  parts.push(`=${outputs.map(reference).join(',')}`)
  return { text: parts.join('\n'), leaves, params }
}

function nodeAttrsKey(node: Node): string {
  switch (node.op) {
    case 'scalar':
      return ''
    case 'custom':
      return String((node.attrs as PrimitiveAttrs['custom']).operands)
    case 'scan': {
      const { body, ...plain } = node.attrs as PrimitiveAttrs['scan']
      return `${attrsKey(plain)}{${subGraphKey(body)}}`
    }
    default:
      return attrsKey(node.attrs)
  }
}

/** Bodies keep their constants: only scalars outside loops are parameters. */
function subGraphKey(body: SubGraph): string {
  const nodes = collectNodes([...body.placeholders, ...body.outputs])
  const inner = graphKey(nodes, body.outputs, true)
  const placeholders = body.placeholders.map((tensor) => nodes.findIndex((node) => node === tensor.node)).join(',')
  return `${placeholders}|${inner.text}|${inner.params.map((value) => (Object.is(value, -0) ? '-0' : String(value))).join(',')}`
}
