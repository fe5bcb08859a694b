/** Shapes and dtypes that calls infer without running anything. */
import { describe, expect, it } from 'vitest'
import type { DType } from '../../src/dtype.js'
import type { Tensor } from '../../src/graph/tensor.js'
import * as ops from '../../src/ops/index.js'
import * as random from '../../src/random/index.js'

const t = (shape: readonly number[], dtype: DType = 'f32'): Tensor => ops.zeros(shape, { dtype })
const key = random.key(0)
const text = (x: Tensor): string => `${x.dtype}[${x.shape.join(',')}]`

const rows: [what: string, call: () => Tensor | readonly Tensor[], want: string][] = [
  ['add broadcasts', () => ops.add(t([3, 1]), t([1, 4])), 'f32[3,4]'],
  ['a number takes the dtype beside it', () => ops.mul(t([2], 'i8'), 3), 'i8[2]'],
  ['a number may stand first', () => ops.sub(1, t([2], 'f16')), 'f16[2]'],
  ['comparisons give bool', () => ops.less(t([2, 1]), t([3])), 'bool[2,3]'],
  ['where broadcasts all three', () => ops.where(t([2, 1, 1], 'bool'), t([3, 1]), 0), 'f32[2,3,1]'],
  ['where of two numbers is f32', () => ops.where(t([2], 'bool'), 1, 0), 'f32[2]'],
  ['composites keep bf16', () => ops.gelu(t([2], 'bf16')), 'bf16[2]'],
  ['pow of integers keeps them', () => ops.pow(t([2], 'u8'), 5), 'u8[2]'],
  ['sum of bool is i32', () => ops.sum(t([2, 3], 'bool'), { axes: 1 }), 'i32[2]'],
  ['sum of u8 is u32', () => ops.sum(t([2, 3], 'u8')), 'u32[]'],
  ['prod of i8 is i32', () => ops.prod(t([2, 3], 'i8'), { axes: 0, keepdims: true }), 'i32[1,3]'],
  ['max keeps i8', () => ops.max(t([2, 3], 'i8'), { axes: [0, 1], keepdims: true }), 'i8[1,1]'],
  ['mean of f16 is f16', () => ops.mean(t([2, 3, 4], 'f16'), { axes: [0, -1] }), 'f16[3]'],
  ['argmax is i32', () => ops.argmax(t([2, 3]), { keepdims: true }), 'i32[1,1]'],
  ['argmin drops its axis', () => ops.argmin(t([2, 3, 4]), { axis: 1 }), 'i32[2,4]'],
  ['any of floats is bool', () => ops.any(t([2, 3]), { axes: 0 }), 'bool[3]'],
  ['cumsum of bool is i32', () => ops.cumsum(t([3], 'bool')), 'i32[3]'],
  ['reshape finds a size', () => ops.reshape(t([2, 6]), [3, -1, 2]), 'f32[3,2,2]'],
  ['transpose reverses', () => ops.transpose(t([2, 3, 4])), 'f32[4,3,2]'],
  ['transpose takes negative axes', () => ops.transpose(t([2, 3, 4]), [-1, 0, 1]), 'f32[4,2,3]'],
  ['swapAxes', () => ops.swapAxes(t([2, 3, 4]), 0, -1), 'f32[4,3,2]'],
  ['squeeze drops all ones', () => ops.squeeze(t([1, 2, 1])), 'f32[2]'],
  ['expandDims counts in the result', () => ops.expandDims(t([2, 3]), [0, -1]), 'f32[1,2,3,1]'],
  [
    'slice clamps',
    () =>
      ops.slice(t([5, 4]), [
        [-3, 100],
        [null, null, -2],
      ]),
    'f32[3,2]',
  ],
  ['slice to nothing', () => ops.slice(t([5]), [[4, 2]]), 'f32[0]'],
  [
    'pad may cut',
    () =>
      ops.pad(t([5, 2]), [
        [-1, 2],
        [1, -2],
      ]),
    'f32[6,1]',
  ],
  ['unstack', () => ops.unstack(t([2, 3]), { axis: 1 }), 'f32[2] f32[2] f32[2]'],
  ['split with an empty part', () => ops.split(t([3]), [0, 3]), 'f32[0] f32[3]'],
  ['tile of a scalar', () => ops.tile(t([]), [2, 3]), 'f32[2,3]'],
  ['repeat', () => ops.repeat(t([2, 3]), 2, { axis: -1 }), 'f32[2,6]'],
  ['diag of an empty vector', () => ops.diag(t([0]), { k: 2 }), 'f32[2,2]'],
  ['diag beside the matrix', () => ops.diag(t([2, 3]), { k: 5 }), 'f32[0]'],
  ['embedding of rows of matrices', () => ops.embedding(t([5, 2, 3], 'bf16'), t([4, 1], 'u8')), 'bf16[4,1,2,3]'],
  ['gather has the shape of its index', () => ops.gather(t([4, 5]), t([2, 3], 'i32'), { axis: 1 }), 'f32[2,3]'],
  ['takeAlongAxis broadcasts', () => ops.takeAlongAxis(t([1, 5]), t([3, 2], 'i32'), { axis: 1 }), 'f32[3,2]'],
  ['indexSelect', () => ops.indexSelect(t([4, 5]), t([7], 'i32'), { axis: -1 }), 'f32[4,7]'],
  ['oneHot of bool', () => ops.oneHot(t([2], 'i32'), 3, { dtype: 'bool' }), 'bool[2,3]'],
  ['topk', () => ops.topk(t([3, 5], 'f16'), 2, { axis: 0 }), 'f16[2,5] i32[2,5]'],
  ['matmul of vectors', () => ops.matmul(t([3]), t([3])), 'f32[]'],
  ['matmul of a vector and a stack', () => ops.matmul(t([3]), t([2, 3, 4])), 'f32[2,4]'],
  ['matmul of a stack and a vector', () => ops.matmul(t([2, 4, 3]), t([3])), 'f32[2,4]'],
  ['matmul broadcasts stacks', () => ops.matmul(t([2, 1, 4, 3]), t([5, 3, 6])), 'f32[2,5,4,6]'],
  ['matmul of nothing', () => ops.matmul(t([2, 0]), t([0, 3])), 'f32[2,3]'],
  ['einsum without an arrow', () => ops.einsum('ba,cb', t([2, 3]), t([4, 2])), 'f32[3,4]'],
  [
    'einsum with an ellipsis that broadcasts',
    () => ops.einsum('...ij,...jk->...ik', t([5, 1, 2, 3]), t([4, 3, 2])),
    'f32[5,4,2,2]',
  ],
  [
    'conv1d',
    () => ops.conv1d(t([2, 4, 9]), t([6, 2, 3]), null, { stride: 2, padding: [[1, 0]], groups: 2 }),
    'f32[2,6,4]',
  ],
  ['conv3d', () => ops.conv3d(t([1, 1, 4, 5, 6]), t([2, 1, 2, 2, 2]), t([2])), 'f32[1,2,3,4,5]'],
  [
    'convTranspose2d',
    () =>
      ops.convTranspose2d(t([1, 4, 3, 3]), t([4, 1, 3, 3]), null, {
        stride: 2,
        padding: 1,
        outputPadding: 1,
        groups: 2,
      }),
    'f32[1,2,6,6]',
  ],
  ['avgPool over one axis', () => ops.avgPool(t([1, 2, 7]), { kernel: 3, stride: 2 }), 'f32[1,2,3]'],
  ['maxPool over three axes', () => ops.maxPool(t([1, 1, 4, 4, 4], 'i32'), { kernel: 2 }), 'i32[1,1,2,2,2]'],
  ['unfold', () => ops.unfold(t([1, 2, 4, 5]), { kernel: [2, 3] }), 'f32[1,12,9]'],
  ['resize of integers', () => ops.resize(t([1, 1, 2, 3], 'u8'), [4, 4]), 'u8[1,1,4,4]'],
  ['softmax of nothing', () => ops.softmax(t([2, 0])), 'f32[2,0]'],
  [
    'attention takes the width of v',
    () => ops.scaledDotProductAttention(t([1, 4, 3, 8], 'f16'), t([1, 2, 5, 8], 'f16'), t([1, 2, 5, 6], 'f16')),
    'f16[1,4,3,6]',
  ],
  ['rope', () => ops.rope(t([2, 3, 1, 6], 'bf16'), t([2, 3], 'i32'), { dim: 4 }), 'bf16[2,3,1,6]'],
  [
    'crossEntropy of f16',
    () => ops.crossEntropy(t([2, 3, 5], 'f16'), t([2, 3], 'i32'), { reduction: 'none' }),
    'f16[2,3]',
  ],
  ['arange', () => ops.arange(5), 'i32[5]'],
  ['arange backwards', () => ops.arange(5, 0, { step: -2, dtype: 'f16' }), 'f16[3]'],
  ['linspace', () => ops.linspace(0, 1, 4), 'f32[4]'],
  ['tri', () => ops.tri(3, { m: 2 }), 'bool[3,2]'],
  ['eye', () => ops.eye(3, { dtype: 'i8' }), 'i8[3,3]'],
  ['full of a boolean', () => ops.full([2], true), 'bool[2]'],
  ['scalar', () => ops.scalar(1), 'f32[]'],
  ['random keys', () => random.split(key, 3), 'u32[3,2]'],
  ['random bits', () => random.bits(key, [3], { dtype: 'u8' }), 'u8[3]'],
  ['random normal', () => random.normal(key, [2, 3], { dtype: 'bf16' }), 'bf16[2,3]'],
  ['random categorical', () => random.categorical(key, t([4, 5]), { axis: 0 }), 'i32[5]'],
  ['random permutation of a tensor', () => random.permutation(key, t([4, 5], 'f16'), { axis: 1 }), 'f16[4,5]'],
]

describe('inferred shapes and dtypes', () => {
  it.each(rows)('%s', (_, call, want) => {
    const got = call()
    expect((Array.isArray(got) ? got : [got as Tensor]).map(text).join(' ')).toBe(want)
  })

  it('does nothing but build a graph', () => {
    const y = ops.add(t([2]), 1)
    expect([y.state, y.storage]).toEqual(['lazy', null])
  })
})
