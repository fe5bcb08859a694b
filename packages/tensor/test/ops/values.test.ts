/** Values at kinks, in extremes and against plain loops, beyond what the reference results of other libraries fix. */
import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/graph/tensor.js'
import * as ops from '../../src/ops/index.js'
import { grad } from '../../src/transforms/grad.js'
import { distance, exact, integers, noise, noisy, rounded } from './support.js'

const gradientOf = (f: (x: Tensor) => Tensor, x: Tensor): Tensor =>
  grad((operand: Tensor) => ops.sum(f(operand)))(x) as Tensor

describe('activations', () => {
  const names = ['sigmoid', 'silu', 'softplus', 'relu', 'gelu', 'tanh'] as const
  it.each(names)('%s and its derivatives are finite at both ends', (name) => {
    const x = ops.tensor([-3e38, -1e4, -100, -1e-30, 0, 1e-30, 100, 1e4, 3e38])
    const second = (operand: Tensor): Tensor => gradientOf((inner) => gradientOf(ops[name], inner), operand)
    for (const y of [ops[name](x), gradientOf(ops[name], x), second(x)])
      expect(rounded(y).every(Number.isFinite)).toBe(true)
  })

  it('gelu by tanh has finite derivatives at both ends', () => {
    const f = (x: Tensor): Tensor => ops.gelu(x, { approximate: 'tanh' })
    const x = ops.tensor([-3e38, -1e20, -40, 40, 1e20, 3e38])
    expect(rounded(gradientOf(f, x))).toEqual([0, 0, 0, 1, 1, 1])
    expect(rounded(gradientOf((inner) => gradientOf(f, inner), x)).every(Number.isFinite)).toBe(true)
  })

  it('has the slopes of the definitions at 0', () => {
    const at0 = (f: (x: Tensor) => Tensor): number => exact(gradientOf(f, ops.tensor([0])))[0]
    expect([at0(ops.sigmoid), at0(ops.silu), at0(ops.softplus), at0(ops.relu), at0(ops.gelu), at0(ops.abs)]).toEqual([
      0.25, 0.5, 0.5, 0, 0.5, 0,
    ])
    const curve = exact(gradientOf((x) => gradientOf(ops.softplus, x), ops.tensor([0])))
    expect(curve).toEqual([0.25])
  })

  it('keeps NaN', () => {
    for (const f of [ops.relu, ops.sigmoid, ops.silu, ops.softplus, ops.gelu])
      expect(rounded(f(ops.tensor([NaN])))).toEqual([NaN])
  })

  it('keeps the relative accuracy of sigmoid in the lower tail', () => {
    expect(rounded(ops.sigmoid(ops.tensor([-20])))[0] / (1 / (1 + Math.exp(20)))).toBeCloseTo(1, 5)
  })

  it('rounds narrow floats once', () => {
    const x = ops.cast(noisy([64], { scale: 4 }), 'bf16')
    const wide = ops.cast(ops.silu(ops.cast(x, 'f32')), 'bf16')
    expect(rounded(ops.silu(x))).toEqual(rounded(wide))
  })
})

describe('integers', () => {
  const naive = (base: bigint, exponent: bigint): bigint => BigInt.asIntN(32, base ** exponent)

  it('have powers that wrap', () => {
    const bases = [2, 3, -3, -1, 0, 7, -2147483648, 1]
    const exponents = [31, 40, 21, 77, 0, 13, 1, 2147483647]
    const got = rounded(ops.pow(ops.tensor(bases, { dtype: 'i32' }), ops.tensor(exponents, { dtype: 'i32' })))
    const want = bases.map((b, k) =>
      Math.abs(b) <= 1 ? b ** (exponents[k] % 2 || 2) : Number(naive(BigInt(b), BigInt(exponents[k]))),
    )
    want[4] = 1
    expect(got).toEqual(want)
  })

  it('have quotients for negative exponents', () => {
    expect(
      rounded(
        ops.pow(ops.tensor([2, 1, -1, -1, 5], { dtype: 'i32' }), ops.tensor([-1, -5, -3, -4, -2], { dtype: 'i32' })),
      ),
    ).toEqual([0, 1, -1, 1, 0])
  })

  it('wrap, divide toward zero and shift', () => {
    expect(rounded(ops.neg(ops.tensor([1, 0], { dtype: 'u8' })))).toEqual([255, 0])
    expect(
      rounded(ops.div(ops.tensor([-7, 7, 5], { dtype: 'i32' }), ops.tensor([2, -2, 0], { dtype: 'i32' }))),
    ).toEqual([-3, -3, 0])
    expect(rounded(ops.rem(ops.tensor([-7, 7], { dtype: 'i32' }), 4))).toEqual([-3, 3])
    expect(rounded(ops.shiftRight(ops.tensor([-8], { dtype: 'i32' }), 1))).toEqual([-4])
    expect(rounded(ops.shiftRight(ops.tensor([4294967288], { dtype: 'u32' }), 1))).toEqual([2147483644])
    expect(rounded(ops.sum(ops.full([300], 255, { dtype: 'u8' })))).toEqual([76500])
    expect(rounded(ops.sum(ops.tensor([true, true, false])))).toEqual([2])
  })

  it('have a sign, a magnitude and a whole part', () => {
    const x = ops.tensor([-3, 0, 4], { dtype: 'i8' })
    expect([ops.sign(x), ops.abs(x), ops.floor(x), ops.relu(x)].map(rounded)).toEqual([
      [-1, 0, 1],
      [3, 0, 4],
      [-3, 0, 4],
      [0, 0, 4],
    ])
    expect(rounded(ops.sign(ops.tensor([0, 200], { dtype: 'u8' })))).toEqual([0, 1])
  })
})

describe('bools', () => {
  it('compare as equal or not', () => {
    const a = ops.tensor([true, true, false])
    const b = ops.tensor([true, false, false])
    expect([rounded(ops.equal(a, b)), rounded(ops.notEqual(a, b))]).toEqual([
      [1, 0, 1],
      [0, 1, 0],
    ])
  })
})

describe('float tests', () => {
  it('tell NaN, infinite and finite apart', () => {
    const x = ops.tensor([NaN, Infinity, -Infinity, 0, -3.7])
    expect([ops.isNaN(x), ops.isInf(x), ops.isFinite(x)].map(rounded)).toEqual([
      [1, 0, 0, 0, 0],
      [0, 1, 1, 0, 0],
      [0, 0, 0, 1, 1],
    ])
    expect(rounded(ops.trunc(x))).toEqual([NaN, Infinity, -Infinity, 0, -3])
  })
})

describe('reductions', () => {
  it('have no gradient where nothing can change: zero norm, zero deviation, empty sums of exponentials', () => {
    const zero = ops.zeros([2, 3])
    expect(rounded(gradientOf((x) => ops.norm(x, { axes: 1 }), zero))).toEqual(new Array(6).fill(0))
    expect(rounded(gradientOf((x) => ops.norm(x, { axes: 1, ord: 3 }), zero))).toEqual(new Array(6).fill(0))
    expect(rounded(gradientOf((x) => ops.std(x, { axes: 1 }), zero))).toEqual(new Array(6).fill(0))
    const nothing = ops.full([1, 2], -Infinity)
    expect(rounded(ops.logsumexp(nothing))).toEqual([-Infinity])
    expect(rounded(gradientOf((x) => ops.logsumexp(x), nothing))).toEqual([0, 0])
  })

  it('give logsumexp its limits', () => {
    expect(
      rounded(
        ops.logsumexp(
          ops.tensor([
            [1000, 1000],
            [Infinity, 1],
            [NaN, 1],
          ]),
          { axes: 1 },
        ),
      ),
    ).toEqual([Math.fround(1000 + Math.LN2), Infinity, NaN])
    expect(rounded(ops.logsumexp(ops.zeros([2, 0]), { axes: 1 }))).toEqual([-Infinity, -Infinity])
  })

  it('divide a variance by nothing to NaN', () => {
    expect(rounded(ops.variance(ops.tensor([[5]]), { axes: 1, correction: 1 }))).toEqual([NaN])
  })
})

describe('crossEntropy', () => {
  it('gives NaN for a target that is no class, and only there', () => {
    const losses = rounded(
      ops.crossEntropy(ops.zeros([3, 4]), ops.tensor([4, -1, 1], { dtype: 'i32' }), { reduction: 'none' }),
    )
    expect(losses.slice(0, 2)).toEqual([NaN, NaN])
    expect(losses[2]).toBeCloseTo(Math.log(4), 6)
  })

  it('costs nothing and passes no gradient where the target is ignored', () => {
    const logits = ops.tensor([
      [NaN, 1],
      [0, 0],
    ])
    const target = ops.tensor([-100, 1], { dtype: 'i32' })
    expect(rounded(ops.crossEntropy(logits, target))[0]).toBeCloseTo(Math.LN2, 6)
    const gradient = rounded(
      gradientOf(
        (x) => ops.crossEntropy(x, target),
        ops.tensor([
          [7, 1],
          [0, 0],
        ]),
      ),
    )
    expect(gradient).toEqual([0, 0, 0.5, -0.5])
  })

  it('stays finite for logits that leave f32 when exponentiated', () => {
    expect(rounded(ops.crossEntropy(ops.tensor([[1e4, -1e4]]), ops.tensor([1], { dtype: 'i32' })))).toEqual([2e4])
  })
})

describe('einsum', () => {
  /** Σ over all letters, one assignment after the other. */
  function naive(terms: string[], output: string, operands: readonly Tensor[]): number[] {
    const letters = [...new Set([...output, ...terms.join('')])]
    const extent = (letter: string): number =>
      operands[terms.findIndex((t) => t.includes(letter))].shape[terms.find((t) => t.includes(letter))!.indexOf(letter)]
    const sizes = letters.map(extent)
    const data = operands.map(exact)
    const offset = (term: string, shape: readonly number[], at: readonly number[]): number =>
      [...term].reduce((sum, letter, axis) => sum * shape[axis] + at[letters.indexOf(letter)], 0)
    const shape = [...output].map(extent)
    const out = new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(0)
    const total = sizes.reduce((a, b) => a * b, 1)
    for (let flat = 0; flat < total; flat++) {
      let rest = flat
      const at = sizes.map((n) => [rest % n, (rest = Math.floor(rest / n))][0])
      out[offset(output, shape, at)] += terms.reduce(
        (product, term, k) => product * data[k][offset(term, operands[k].shape, at)],
        1,
      )
    }
    return out
  }
  const sizes: Record<string, number> = { a: 2, b: 3, c: 4, d: 2, e: 3 }
  const equations = [
    'ab,bc->ac',
    'ab,bc->ca',
    'abc,abc->',
    'aab->b',
    'aab,bc->ac',
    'ab,cd->dbca',
    'abc,bd,ce->aed',
    'a,a,a->a',
    'ab->ba',
    'abc->b',
    'ab,ab->a',
    'abe,cbe->ace',
    'ab,b->ab',
    'aba,b->',
    'ab,bc,cd,de->ae',
  ]
  it.each(equations)('%s equals the sum over all letters', (equation) => {
    const [left, output] = equation.split('->')
    const terms = left.split(',')
    const operands = terms.map((term, k) =>
      noisy(
        [...term].map((letter) => sizes[letter]),
        { seed: k + 1 },
      ),
    )
    expect(distance(exact(ops.einsum(equation, ...operands)), naive(terms, output, operands))).toBeLessThan(1e-12)
  })

  it('sums what an axis of the ellipsis broadcasts', () => {
    const [x, y] = [noisy([3, 1, 2], { seed: 1 }), noisy([4, 2], { seed: 2 })]
    expect(
      distance(exact(ops.einsum('...i,...i->...', x, y)), exact(ops.sum(ops.mul(x, y), { axes: -1 }))),
    ).toBeLessThan(1e-12)
    expect(distance(exact(ops.einsum('...i->i', x)), exact(ops.sum(x, { axes: [0, 1] })))).toBeLessThan(1e-12)
  })
})

describe('rope', () => {
  it('turns by exact angles at far positions', () => {
    const positions = [0, 1, 1000, 123457, 1048575, -77]
    const unit = ops.broadcastTo(ops.tensor([1, 1, 0, 0]), [1, 6, 1, 4])
    const got = rounded(ops.rope(unit, ops.tensor(positions, { dtype: 'i32' })))
    const want = positions.flatMap((t) => {
      const [fast, slow] = [t, t * 10000 ** -0.5]
      return [Math.cos(fast), Math.cos(slow), Math.sin(fast), Math.sin(slow)]
    })
    expect(distance(got, want)).toBeLessThan(1e-6)
  })

  it('is undone by the opposite positions', () => {
    const x = noisy([2, 3, 2, 8])
    const there = ops.rope(x, ops.tensor([5, 6, 7], { dtype: 'i32' }), { interleaved: true })
    const back = ops.rope(there, ops.tensor([-5, -6, -7], { dtype: 'i32' }), { interleaved: true })
    expect(distance(rounded(back), rounded(x))).toBeLessThan(1e-6)
  })

  it('takes frequencies of its own', () => {
    const x = noisy([1, 3, 1, 4])
    const positions = ops.arange(3)
    const given = ops.rope(x, positions, { frequencies: [1, 0.01] })
    expect(rounded(given)).toEqual(rounded(ops.rope(x, positions)))
  })
})

describe('indexing', () => {
  it('gives NaN or 0 for reads out of range and drops writes', () => {
    const index = ops.tensor([0, 3, -1], { dtype: 'i32' })
    expect(rounded(ops.indexSelect(ops.tensor([1, 2, 3]), index))).toEqual([1, NaN, NaN])
    expect(rounded(ops.indexSelect(ops.tensor([1, 2, 3], { dtype: 'i32' }), index))).toEqual([1, 0, 0])
    expect(rounded(ops.scatterAdd(ops.zeros([3]), index, ops.ones([3]), { axis: 0 }))).toEqual([1, 0, 0])
  })

  it('leaves what a smaller index does not name', () => {
    const x = ops.ones([2, 3])
    const got = ops.scatterAdd(
      x,
      ops.tensor([[1], [0]], { dtype: 'i32' }),
      ops.tensor([
        [5, 9],
        [7, 9],
      ]),
      { axis: 1 },
    )
    expect(rounded(got)).toEqual([1, 6, 1, 8, 1, 1])
  })

  it('clamps run-time starts so that the block fits', () => {
    const x = ops.arange(6)
    expect(rounded(ops.dynamicSlice(x, [ops.scalar(9, { dtype: 'i32' })], [2]))).toEqual([4, 5])
    expect(rounded(ops.updateSlice(x, ops.zeros([2], { dtype: 'i32' }), [-3]))).toEqual([0, 0, 2, 3, 4, 5])
  })
})

describe('convTranspose2d', () => {
  it('scatters what conv2d gathers', () => {
    const [stride, padding, dilation, outputPadding] = [
      [2, 3],
      [1, 0],
      [1, 2],
      [1, 2],
    ]
    const x = noisy([2, 4, 3, 2], { seed: 1 })
    const w = noisy([4, 3, 2, 3], { seed: 2 })
    const y = ops.convTranspose2d(x, w, null, { stride, padding, dilation, outputPadding, groups: 2 })
    const other = noisy(y.shape, { seed: 3 })
    // ⟨convTranspose(x), z⟩ = ⟨x, conv(z)⟩ with the same kernel, whose channels swap their roles.
    const back = ops.conv2d(other, w, null, { stride, padding, dilation, groups: 2 })
    const inner = (a: Tensor, b: Tensor): number => exact(ops.sum(ops.mul(a, b)))[0]
    expect(inner(y, other)).toBeCloseTo(inner(x, ops.slice(back, [null, null, [0, 3], [0, 2]])), 10)
  })
})

describe('resize', () => {
  it.each([
    [3, 5],
    [6, 2],
    [4, 8],
    [1, 1],
    [7, 9],
  ])('nearest reads floor(i in / out) for %i × %i', (height, width) => {
    const x = noisy([1, 2, 3, 4])
    const values = rounded(x)
    const want: number[] = []
    for (let c = 0; c < 2; c++)
      for (let i = 0; i < height; i++)
        for (let j = 0; j < width; j++)
          want.push(values[(c * 3 + Math.floor((i * 3) / height)) * 4 + Math.floor((j * 4) / width)])
    expect(rounded(ops.resize(x, [height, width]))).toEqual(want)
  })
})

describe('sorting', () => {
  it('orders NaN as the largest and keeps ties in order', () => {
    const x = ops.tensor([2, NaN, 1, 2, -Infinity])
    expect(rounded(ops.argsort(x))).toEqual([4, 2, 0, 3, 1])
    expect(rounded(ops.argsort(x, { descending: true }))).toEqual([1, 0, 3, 2, 4])
    expect(ops.topk(x, 2).map(rounded)).toEqual([
      [NaN, 2],
      [1, 0],
    ])
    expect(ops.topk(x, 3, { largest: false }).map(rounded)).toEqual([
      [-Infinity, 1, 2],
      [4, 2, 0],
    ])
  })
})

describe('matmul', () => {
  it('wraps in i32', () => {
    const [a, b] = [integers([2, 3], -(2 ** 30), 2 ** 30, 1), integers([3, 2], -(2 ** 30), 2 ** 30, 2)]
    const [x, y] = [exact(a), exact(b)]
    const want = [0, 1, 2, 3].map((at) =>
      [0, 1, 2].reduce((sum, k) => (sum + Math.imul(x[Math.floor(at / 2) * 3 + k], y[k * 2 + (at % 2)])) | 0, 0),
    )
    expect(rounded(ops.matmul(a, b))).toEqual(want)
  })

  it('flattens stacks on the left', () => {
    const [a, b] = [noisy([2, 3, 4], { seed: 1 }), noisy([4, 5], { seed: 2 })]
    const each = ops.unstack(a).map((part) => ops.matmul(part, b))
    expect(distance(exact(ops.matmul(a, b)), exact(ops.stack(each)))).toBe(0)
  })
})

describe('pools', () => {
  it('of integers are padded below every value', () => {
    const x = ops.full([1, 1, 2, 2], -7, { dtype: 'i8' })
    expect(rounded(ops.maxPool2d(x, { kernel: 2, stride: 2, padding: 1 }))).toEqual([-7, -7, -7, -7])
  })

  it('average what lies inside only, when asked to', () => {
    const x = ops.ones([1, 1, 3, 3])
    expect(rounded(ops.avgPool2d(x, { kernel: 3, stride: 2, padding: 1, countIncludePad: false }))).toEqual([
      1, 1, 1, 1,
    ])
    expect(
      rounded(
        ops.avgPool2d(x, {
          kernel: 3,
          stride: 2,
          padding: [
            [1, 1],
            [1, 1],
          ],
        }),
      )[0],
    ).toBeCloseTo(4 / 9, 6)
  })

  it('over one and three axes equal loops', () => {
    const line = noise(9, 4)
    const got = rounded(ops.maxPool(ops.tensor(line, { shape: [1, 1, 9] }), { kernel: 3, stride: 2 }))
    expect(got).toEqual([0, 2, 4, 6].map((at) => Math.max(...line.slice(at, at + 3))))
    expect(rounded(ops.avgPool(ops.ones([1, 1, 2, 2, 2]), { kernel: 2 }))).toEqual([1])
  })
})
