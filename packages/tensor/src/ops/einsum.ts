/** Einstein summation as transposes, sums and matrix products. */
import { broadcast, castTo, matmulOf, reduceOver, reshapeTo, sliceOf, transposeTo } from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { sizeOf } from '../shape.js'
import { isNarrow, times } from './build.js'
import { argumentError, shapeError, show, showAll } from './check.js'
import { requireProduct } from './matmul.js'

/** A tensor whose axes have names. Letters of an ellipsis are digits, counted from the last axis. */
interface Labelled {
  readonly x: Tensor
  readonly labels: readonly string[]
}

/**
 * Sums of products over named axes: `ij,jk->ik` is the matrix product.
 *
 * A letter may occur twice in an operand (its diagonal), `...` stands for axes that broadcast, and without `->` the result
 * has the ellipsis and then every letter that occurs once, in alphabetical order, as in NumPy.
 *
 * @throws ArgumentError for an equation that is malformed or does not fit the operands
 * @throws ShapeError when the sizes of a letter differ
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  requireEquation(equation, operands)
  requireProduct('einsum', ...operands)
  const [inputs, output] = parse(equation, operands)
  const sizes = sizesOf(equation, inputs, operands)
  const wide = isNarrow(operands[0].dtype) && needsWide(inputs, output)
  const terms = inputs.map((labels, k): Labelled => ({ x: wide ? castTo(operands[k], 'f32') : operands[k], labels }))
  const prepared = terms.map((term) => grow(diagonal(term), sizes))
  const result = contractAll(prepared, output)
  const arranged = arrange(result, output)
  // A letter of the output that only broadcast axes of size 1 carry grows at the end.
  return castTo(
    broadcast(
      arranged,
      output.map((label) => sizes.get(label) as number),
    ),
    operands[0].dtype,
  )
}

/** A single product rounds once by itself; anything longer would round between its steps. */
function needsWide(inputs: readonly (readonly string[])[], output: readonly string[]): boolean {
  if (inputs.length !== 2) return true
  const lone = (labels: readonly string[], other: readonly string[]): boolean =>
    labels.some((label) => !other.includes(label) && !output.includes(label))
  return lone(inputs[0], inputs[1]) || lone(inputs[1], inputs[0])
}

function malformed(equation: string, operands: readonly Tensor[], rule: string): Error {
  return argumentError(
    'einsum',
    rule,
    `"${equation}" for ${operands.length === 0 ? 'no operands' : showAll(operands)}`,
    'change the equation',
  )
}

function requireEquation(equation: string, operands: readonly Tensor[]): void {
  const compact = typeof equation === 'string' ? equation.replace(/\s/g, '') : ''
  const letters = '(?:[A-Za-z]|\\.\\.\\.)*'
  if (typeof equation !== 'string' || !new RegExp(`^${letters}(?:,${letters})*(?:->${letters})?$`).test(compact))
    throw malformed(
      typeof equation === 'string' ? equation : show(equation),
      operands,
      'an equation is made of letters, commas, one -> and at most one ellipsis per term',
    )
  if (compact.split('->')[0].split(',').length !== operands.length || operands.length === 0)
    throw malformed(equation, operands, 'the equation must have one term for every operand')
}

/** Labels of every operand and of the output. */
function parse(equation: string, operands: readonly Tensor[]): [inputs: string[][], output: string[]] {
  const [left, right] = equation.replace(/\s/g, '').split('->')
  const inputs = left.split(',').map((term, k) => expand(term, operands[k].rank, equation, operands))
  const digits = [...new Set(inputs.flat().filter((label) => /\d/.test(label)))].sort((a, b) => Number(b) - Number(a))
  const all = inputs.flat().filter((label) => !/\d/.test(label))
  if (right === undefined)
    return [
      inputs,
      [...digits, ...[...new Set(all)].filter((label) => all.filter((l) => l === label).length === 1).sort()],
    ]
  if (right.split('...').length > 2) throw malformed(equation, operands, 'a term has at most one ellipsis')
  const output = right
    .replace('...', '.')
    .split('')
    .flatMap((label) => (label === '.' ? digits : [label]))
  if (new Set(output).size !== output.length)
    throw malformed(equation, operands, 'a letter may stand once in the output')
  if (output.some((label) => !digits.includes(label) && !all.includes(label)))
    throw malformed(equation, operands, 'letters of the output must occur in a term')
  return [inputs, output]
}

function expand(term: string, rank: number, equation: string, operands: readonly Tensor[]): string[] {
  const parts = term.split('...')
  if (parts.length > 2) throw malformed(equation, operands, 'a term has at most one ellipsis')
  const named = parts.join('').length
  if (parts.length === 1 ? named !== rank : named > rank)
    throw malformed(equation, operands, `term "${term}" must fit an operand of rank ${rank}`)
  if (parts.length === 1) return term.split('')
  const hidden = Array.from({ length: rank - named }, (_, k) => String(rank - named - 1 - k))
  return [...parts[0].split(''), ...hidden, ...parts[1].split('')]
}

/** The size of every label; only axes of an ellipsis may broadcast. */
function sizesOf(
  equation: string,
  inputs: readonly (readonly string[])[],
  operands: readonly Tensor[],
): Map<string, number> {
  const sizes = new Map<string, number>()
  inputs.forEach((labels, k) =>
    labels.forEach((label, axis) => {
      const size = operands[k].shape[axis]
      const known = sizes.get(label) ?? size
      const broadcasts = /\d/.test(label) && (known === 1 || size === 1)
      if (known !== size && !broadcasts)
        throw shapeError(
          'einsum',
          `the sizes of ${/\d/.test(label) ? 'the ellipsis' : label} must be equal`,
          `${known} and ${size} in "${equation}" for ${showAll(operands)}`,
          'reshape one of them',
        )
      sizes.set(label, known === 1 ? size : known)
    }),
  )
  return sizes
}

/** Repeated letters of one operand become one axis: their diagonal. */
function diagonal({ x, labels }: Labelled): Labelled {
  const first = labels.findIndex((label, k) => labels.indexOf(label) !== k)
  if (first < 0) return { x, labels }
  const twin = labels.indexOf(labels[first])
  const rest = labels.map((_, k) => k).filter((k) => k !== first && k !== twin)
  const n = x.shape[first]
  const moved = transposeTo(x, [...rest, twin, first])
  const shape = rest.map((k) => x.shape[k])
  const flat = reshapeTo(moved, [...shape, n * n])
  // Neighbours on the diagonal lie n + 1 elements apart.
  const line = sliceOf(
    flat,
    flat.shape.map(() => 0),
    [...shape, n],
    flat.shape.map((_, k) => (k === rest.length ? n + 1 : 1)),
  )
  return diagonal({ x: line, labels: [...rest.map((k) => labels[k]), labels[first]] })
}

/** Axes of size 1 that broadcast are dropped: products spread them again where needed. */
function grow({ x, labels }: Labelled, sizes: Map<string, number>): Labelled {
  const kept = labels.map((_, k) => k).filter((k) => x.shape[k] === sizes.get(labels[k]))
  return {
    x: reshapeTo(
      x,
      kept.map((k) => x.shape[k]),
    ),
    labels: kept.map((k) => labels[k]),
  }
}

function contractAll(terms: readonly Labelled[], output: readonly string[]): Labelled {
  const [first, ...rest] = terms
  if (rest.length === 0) return sumOut(first, output)
  const [second, ...later] = rest
  const needed = [...output, ...later.flatMap((term) => term.labels)]
  return contractAll([contract(first, second, needed), ...later], output)
}

/** Sums over the labels that are not needed any more. */
function sumOut({ x, labels }: Labelled, needed: readonly string[]): Labelled {
  const gone = labels.flatMap((label, k) => (needed.includes(label) ? [] : [k]))
  return { x: reduceOver('sum', x, gone), labels: labels.filter((label) => needed.includes(label)) }
}

/** Axes in the order of `labels`. */
function arrange({ x, labels }: Labelled, wanted: readonly string[]): Tensor {
  const present = wanted.filter((label) => labels.includes(label))
  const moved = transposeTo(
    x,
    present.map((label) => labels.indexOf(label)),
  )
  return reshapeTo(
    moved,
    wanted.map((label) => (labels.includes(label) ? x.shape[labels.indexOf(label)] : 1)),
  )
}

function contract(left: Labelled, right: Labelled, needed: readonly string[]): Labelled {
  const a = sumOut(left, [...needed, ...right.labels])
  const b = sumOut(right, [...needed, ...left.labels])
  const shared = a.labels.filter((label) => b.labels.includes(label))
  const batch = shared.filter((label) => needed.includes(label))
  const inner = shared.filter((label) => !needed.includes(label))
  const freeA = a.labels.filter((label) => !shared.includes(label))
  const freeB = b.labels.filter((label) => !shared.includes(label))
  const labels = [...batch, ...freeA, ...freeB]
  const sizes = (term: Labelled, list: readonly string[]): number[] =>
    list.map((label) => term.x.shape[term.labels.indexOf(label)])
  const shape = [...sizes(a, batch), ...sizes(a, freeA), ...sizes(b, freeB)]
  if (inner.length === 0)
    return { x: times(broadcast(arrange(a, labels), shape), broadcast(arrange(b, labels), shape)), labels }
  const stack = sizes(a, batch)
  const K = sizeOf(sizes(a, inner))
  const x = reshapeTo(arrange(a, [...batch, ...freeA, ...inner]), [...stack, sizeOf(sizes(a, freeA)), K])
  const y = reshapeTo(arrange(b, [...batch, ...inner, ...freeB]), [...stack, K, sizeOf(sizes(b, freeB))])
  return { x: reshapeTo(matmulOf(x, y), shape), labels }
}
