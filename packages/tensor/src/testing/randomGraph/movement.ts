/** Random steps that move elements: they keep exact values exact. */
import type { Tensor } from '../../graph/tensor.js'
import { isFloat } from '../../dtype.js'
import {
  broadcastTo,
  concat,
  expandDims,
  flip,
  pad,
  repeat,
  reshape,
  roll,
  slice,
  split,
  squeeze,
  stack,
  swapAxes,
  tile,
  transpose,
  tril,
  triu,
  type Slice,
} from '../../ops/movement.js'
import { type Entry, type GraphBuilder, type Maker } from './builder.js'

type Move = (builder: GraphBuilder, x: Tensor) => readonly [name: string, f: (x: Tensor) => Tensor] | null

function someAxis(builder: GraphBuilder, x: Tensor): number {
  return builder.below(x.rank)
}

function factors(builder: GraphBuilder, size: number): number[] {
  const shape: number[] = []
  let rest = size
  for (let k = 0; k < 3 && rest > 1; k++) {
    const divisors = Array.from({ length: rest }, (_, d) => d + 1).filter((d) => rest % d === 0)
    const divisor = builder.pick(divisors)
    shape.push(divisor)
    rest /= divisor
  }
  return [...shape, rest]
}

function someSlice(builder: GraphBuilder, n: number): Slice {
  const size = 1 + builder.below(n)
  const start = builder.below(n - size + 1)
  const step = builder.pick([1, 1, 2, 3])
  return builder.chance(0.3) ? [start + size - 1, start === 0 ? null : start - 1, -step] : [start, start + size, step]
}

const MOVES: readonly Move[] = [
  (b, x) => {
    const shape = factors(b, x.size)
    return [`reshape [${shape.join(', ')}]`, (t) => reshape(t, shape)]
  },
  (b, x) => {
    const perm = x.shape.map((_, k) => k)
    for (let k = perm.length - 1; k > 0; k--) {
      const other = b.below(k + 1)
      ;[perm[k], perm[other]] = [perm[other], perm[k]]
    }
    return [`transpose [${perm.join(', ')}]`, (t) => transpose(t, perm)]
  },
  (b, x) => {
    const slices = x.shape.map((n) => someSlice(b, n))
    return [`slice ${JSON.stringify(slices)}`, (t) => slice(t, slices)]
  },
  (_, x) => (x.rank === 0 ? null : ['flip', (t) => flip(t)]),
  (b, x) => {
    const shape = [b.pick([2, 3]), ...x.shape.map((n) => (n === 1 ? b.pick([1, 4]) : n))]
    return [`broadcastTo [${shape.join(', ')}]`, (t) => broadcastTo(t, shape)]
  },
  (b, x) => {
    const axis = b.below(x.rank + 1)
    return [`expandDims ${axis}`, (t) => expandDims(t, axis)]
  },
  (_, x) => (x.shape.includes(1) ? ['squeeze', (t) => squeeze(t)] : null),
  (b, x) => {
    const pads = x.shape.map((): [number, number] => [b.below(3), b.below(3)])
    return x.dtype === 'bool' ? null : [`pad ${JSON.stringify(pads)}`, (t) => pad(t, pads, { value: 1 })]
  },
  (b, x) => {
    const mode = b.pick(['reflect', 'edge'] as const)
    const pads = x.shape.map((n): [number, number] => [b.below(Math.min(3, n)), b.below(Math.min(3, n))])
    return x.dtype === 'bool' ? null : [`pad ${mode} ${JSON.stringify(pads)}`, (t) => pad(t, pads, { mode })]
  },
  (b, x) => {
    if (x.rank === 0) return null
    const axis = someAxis(b, x)
    const shift = b.below(5) - 2
    return [`roll ${shift} on ${axis}`, (t) => roll(t, shift, { axes: axis })]
  },
  (b, x) => {
    const reps = x.shape.map(() => b.pick([1, 2]))
    return x.rank === 0 ? null : [`tile [${reps.join(', ')}]`, (t) => tile(t, reps)]
  },
  (b, x) => {
    if (x.rank === 0) return null
    const axis = someAxis(b, x)
    return [`repeat on ${axis}`, (t) => repeat(t, 2, { axis })]
  },
  (_, x) => (x.rank < 2 ? null : ['swapAxes', (t) => swapAxes(t, -1, -2)]),
  (b, x) => {
    if (x.rank < 2 || !isFloat(x.dtype)) return null
    const f = b.pick([tril, triu])
    const k = b.below(3) - 1
    return [`${f.name} ${k}`, (t) => f(t, { k })]
  },
  (b, x) => {
    if (x.rank === 0) return null
    const axis = someAxis(b, x)
    if (x.shape[axis] < 2) return null
    const first = 1 + b.below(x.shape[axis] - 1)
    const which = b.below(2)
    return [
      `part ${which} of split at ${first} on ${axis}`,
      (t) => split(t, [first, t.shape[axis] - first], { axis })[which],
    ]
  },
]

const move: Maker = (builder) => {
  const at = builder.find(() => true)
  if (at === undefined) return false
  const entry: Entry = builder.entries[at]
  const chosen = builder.pick(MOVES)(builder, entry.tensor)
  if (chosen === null) return false
  return builder.add(chosen[0], [at], chosen[1], { bound: Math.max(entry.bound, 1), exact: true })
}

const join: Maker = (builder) => {
  const first = builder.find((entry) => entry.tensor.rank > 0)
  if (first === undefined) return false
  const a = builder.at(first)
  const axis = builder.below(a.rank)
  const same = (x: Tensor): boolean =>
    x.dtype === a.dtype && x.rank === a.rank && x.shape.every((n, k) => k === axis || n === a.shape[k])
  const second = builder.find((entry) => same(entry.tensor))
  if (second === undefined) return false
  const bound = Math.max(builder.entries[first].bound, builder.entries[second].bound)
  if (builder.chance(0.3) && builder.at(second).shape[axis] === a.shape[axis])
    return builder.add(`stack on ${axis}`, [first, second], (x, y) => stack([x, y], { axis }), { bound, exact: true })
  return builder.add(`concat on ${axis}`, [first, second], (x, y) => concat([x, y, x], { axis }), {
    bound,
    exact: true,
  })
}

export const MOVEMENT: readonly Maker[] = [move, move, move, move, join]
