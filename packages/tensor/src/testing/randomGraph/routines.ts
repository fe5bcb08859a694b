/** Random products, convolutions, attention, indexing and loops. */
import { isFloat } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { scaledDotProductAttention } from '../../ops/attention.js'
import { conv1d } from '../../ops/conv.js'
import { add, cast, mul, rem, tanh, where } from '../../ops/elementwise.js'
import { less } from '../../ops/compare.js'
import { dynamicSlice, indexSelect, oneHot, scatterAdd, takeAlongAxis, updateSlice } from '../../ops/indexing.js'
import { crossEntropy } from '../../ops/loss.js'
import { matmul } from '../../ops/matmul.js'
import { reshape, slice, swapAxes } from '../../ops/movement.js'
import { scan } from '../../transforms/scan.js'
import { LARGE, type GraphBuilder, type Maker } from './builder.js'

/** |value| modulo n, a valid index of an axis of n. */
function asIndex(index: Tensor, n: number): Tensor {
  const rest = rem(cast(index, 'i32'), n)
  return where(less(rest, 0), add(rest, n), rest)
}

function findIndex(builder: GraphBuilder, fits: (x: Tensor) => boolean): number | undefined {
  return builder.find((entry) => !isFloat(entry.tensor.dtype) && entry.tensor.dtype !== 'bool' && fits(entry.tensor))
}

const product: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.tensor.rank >= 2 && entry.bound <= LARGE)
  if (at === undefined) return false
  const a = builder.at(at)
  const inner = a.shape[a.rank - 1]
  const other = builder.findFloat(
    (entry) =>
      entry.tensor.dtype === a.dtype &&
      entry.bound <= LARGE &&
      entry.tensor.rank >= 1 &&
      entry.tensor.rank <= 2 &&
      entry.tensor.shape[0] === inner,
  )
  const bound = inner * builder.entries[at].bound
  if (other === undefined)
    return builder.add('a aᵀ', [at], (x) => matmul(x, swapAxes(x, -1, -2)), {
      bound: bound * builder.entries[at].bound,
    })
  return builder.add('matmul', [at, other], matmul, { bound: bound * builder.entries[other].bound })
}

const convolution: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.tensor.rank === 3 && entry.tensor.shape[2] >= 3 && entry.bound <= 10)
  if (at === undefined) return false
  const options = { stride: builder.pick([1, 2]), padding: builder.pick([0, 1]), dilation: 1 }
  const bound = builder.entries[at].bound
  return builder.add(
    `conv1d ${JSON.stringify(options)}`,
    [at],
    (x) =>
      conv1d(
        x,
        slice(
          x,
          [[0, 1], null, [0, 2]].map((s) => s as [number, number] | null),
        ),
        null,
        options,
      ),
    { bound: 2 * builder.at(at).shape[1] * bound * bound },
  )
}

const attention: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.tensor.rank === 3 && entry.bound <= 10)
  if (at === undefined) return false
  const causal = builder.pick([null, 'topLeft', 'bottomRight'] as const)
  const f = (x: Tensor): Tensor => {
    const heads = reshape(x, [1, ...x.shape])
    return scaledDotProductAttention(heads, tanh(heads), mul(heads, 0.5), { causal })
  }
  return builder.add(`attention ${causal}`, [at], f, { bound: builder.entries[at].bound })
}

const select: Maker = (builder) => {
  const at = builder.find((entry) => entry.tensor.rank > 0)
  if (at === undefined) return false
  const x = builder.at(at)
  const axis = builder.below(x.rank)
  const index = findIndex(builder, (i) => i.rank === 1)
  if (index === undefined) return false
  const facts = { bound: builder.entries[at].bound, exact: true }
  return builder.add(
    `indexSelect on ${axis}`,
    [at, index],
    (t, i) => indexSelect(t, asIndex(i, t.shape[axis]), { axis }),
    facts,
  )
}

const along: Maker = (builder) => {
  const index = findIndex(builder, (i) => i.rank > 0)
  if (index === undefined) return false
  const shape = builder.at(index).shape
  const at = builder.find(
    (entry) => entry.tensor.rank === shape.length && entry.tensor.shape.every((n, k) => k === 0 || n === shape[k]),
  )
  if (at === undefined) return false
  const x = builder.at(at)
  const bound = builder.entries[at].bound
  if (isFloat(x.dtype) && builder.chance(0.4)) {
    const own = (t: Tensor, i: Tensor): Tensor => scatterAdd(t, asIndex(i, t.shape[0]), cast(i, t.dtype), { axis: 0 })
    return (
      builder.entries[index].bound <= LARGE &&
      builder.add('scatterAdd', [at, index], own, { bound: bound + LARGE * shape[0] })
    )
  }
  return builder.add('takeAlongAxis', [at, index], (t, i) => takeAlongAxis(t, asIndex(i, t.shape[0]), { axis: 0 }), {
    bound,
    exact: true,
  })
}

const window: Maker = (builder) => {
  const at = builder.find((entry) => entry.tensor.rank > 0)
  const start = findIndex(builder, (i) => i.rank === 0)
  if (at === undefined || start === undefined) return false
  const x = builder.at(at)
  const size = x.shape.map((n) => 1 + builder.below(n))
  const starts = (s: Tensor): Tensor[] => x.shape.map(() => cast(s, 'i32'))
  const facts = { bound: builder.entries[at].bound, exact: true }
  if (builder.chance(0.5))
    return builder.add(
      `dynamicSlice [${size.join(', ')}]`,
      [at, start],
      (t, s) => dynamicSlice(t, starts(s), size),
      facts,
    )
  const apply = (t: Tensor, s: Tensor): Tensor =>
    updateSlice(
      t,
      slice(
        t,
        size.map((n): [number, number] => [0, n]),
      ),
      starts(s),
    )
  return builder.add(`updateSlice [${size.join(', ')}]`, [at, start], apply, facts)
}

const classes: Maker = (builder) => {
  const index = findIndex(builder, (i) => i.rank === 1)
  if (index === undefined) return false
  const [n] = builder.at(index).shape
  const logits = builder.findFloat(
    (entry) => entry.tensor.rank === 2 && entry.tensor.shape[0] === n && entry.bound <= LARGE,
  )
  if (logits === undefined)
    return builder.add('oneHot', [index], (i) => oneHot(asIndex(i, 4), 4), { bound: 1, exact: true })
  const apply = (x: Tensor, i: Tensor): Tensor =>
    crossEntropy(x, asIndex(i, x.shape[1]), { reduction: 'none', labelSmoothing: 0.1 })
  return builder.add('crossEntropy', [logits, index], apply, { bound: 2 * builder.entries[logits].bound + 5 })
}

const loop: Maker = (builder) => {
  const at = builder.findFloat((entry) => entry.tensor.rank >= 1 && entry.tensor.shape[0] > 0 && entry.bound <= LARGE)
  if (at === undefined) return false
  const reverse = builder.chance(0.5)
  const stacked = builder.chance(0.5)
  const apply = (x: Tensor): Tensor => {
    const init = reshape(slice(x, [[0, 1]]), x.shape.slice(1))
    const [last, ys] = scan((c: Tensor, row: Tensor) => [tanh(add(mul(c, 0.5), row)), mul(c, row)] as const, init, x, {
      reverse,
    })
    return stacked ? ys : last
  }
  return builder.add(`scan${reverse ? ' backwards' : ''}`, [at], apply, { bound: stacked ? LARGE * LARGE : 1 })
}

export const ROUTINES: readonly Maker[] = [
  product,
  product,
  convolution,
  attention,
  select,
  along,
  window,
  classes,
  loop,
]
