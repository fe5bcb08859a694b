/** Matrix products, convolution, attention and their gradients. */
import type { DType } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { gelu } from '../../ops/activations.js'
import { scaledDotProductAttention } from '../../ops/attention.js'
import { conv1d, conv2d, conv3d, convTranspose2d } from '../../ops/conv.js'
import { tensor } from '../../ops/create.js'
import { add, cast, exp, mul } from '../../ops/elementwise.js'
import { matmul, quantMatmul } from '../../ops/matmul.js'
import { slice, swapAxes, transpose } from '../../ops/movement.js'
import { avgPool2d, maxPool2d, resize } from '../../ops/pool.js'
import { sum } from '../../ops/reduce.js'
import { grad } from '../../transforms/grad.js'
import { noise, type SuiteContext } from './context.js'

const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 7, 300],
  [5, 1, 3],
  [3, 300, 1],
  [8, 8, 8],
  [17, 33, 65],
  [4, 257, 9],
  [33, 64, 31],
  [2, 0, 3],
  [0, 3, 2],
  [1, 513, 130],
]
/** Sums of up to a few hundred products in another order. */
const PRODUCTS = { rtol: 2e-5, atol: 5e-5 }
const NARROW_PRODUCTS = { rtol: 2e-2, atol: 2e-2 }

function gradients(f: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]): Tensor[] {
  const loss = (...own: Tensor[]): Tensor => {
    const out = f(...own)
    return sum(mul(out, noise(out.shape, out.dtype, -1, 1, 77)))
  }
  return grad(loss as (...inputs: Tensor[]) => Tensor, { argnums: inputs.map((_, k) => k) })(
    ...inputs,
  ) as unknown as Tensor[]
}

export function products(suite: SuiteContext): void {
  for (const [M, K, N] of SIZES)
    suite.test(
      `matmul [${M}, ${K}] × [${K}, ${N}], plain, turned, in batches, with an epilogue`,
      () => {
        const [a, b] = [noise([M, K]), noise([K, N], 'f32', -1, 1, 2)]
        const turned = matmul(transpose(noise([K, M])), transpose(noise([N, K], 'f32', -1, 1, 2)))
        return [
          matmul(a, b),
          turned,
          matmul(noise([3, M, K]), noise([3, K, N])),
          matmul(noise([2, 1, M, K]), noise([3, K, N])),
          gelu(add(matmul(a, b), noise([N]))),
        ]
      },
      { tolerance: PRODUCTS },
    )

  for (const dtype of ['f16', 'bf16', 'i32'] as const)
    suite.test(
      `matmul of ${dtype}`,
      () => {
        const x = (shape: number[], seed: number): Tensor =>
          noise(shape, dtype, dtype === 'i32' ? -1e5 : -1, dtype === 'i32' ? 1e5 : 1, seed)
        return [
          matmul(x([9, 70], 1), x([70, 17], 2)),
          matmul(x([2, 3, 5], 3), swapAxes(x([2, 4, 5], 4), 1, 2)),
          matmul(x([70], 5), x([70, 3], 6)),
        ]
      },
      { tolerance: dtype === 'i32' ? undefined : NARROW_PRODUCTS },
    )

  suite.test(
    'matmul of computed and sliced operands',
    () => {
      const [a, b] = [noise([20, 12]), noise([6, 11])]
      return matmul(
        exp(
          slice(a, [
            [null, null, 2],
            [0, 12, 2],
          ]),
        ),
        mul(b, 2),
      )
    },
    { tolerance: PRODUCTS },
  )

  suite.test('gradients of matmul', () => gradients(matmul, [noise([5, 9]), noise([9, 4])]), { tolerance: PRODUCTS })

  for (const format of ['int8', 'int4', 'int4sym', 'nf4'] as const)
    suite.test(
      `quantMatmul ${format}`,
      () => {
        const [N, K, group] = [5, 64, 32]
        const packed = format === 'int8' ? noise([N, K], 'i8', -127, 127) : noise([N, K / 2], 'u8', 0, 255)
        const scale = noise([N, K / group], 'f32', 0.01, 0.1)
        const zero = format === 'int4' ? noise([N, K / group], 'u8', 0, 15) : undefined
        const weight = { format, group, packed, scale, zero }
        return [
          quantMatmul(noise([3, K]), weight),
          quantMatmul(noise([1, K]), weight),
          ...gradients((x) => quantMatmul(x, weight), [noise([2, K])]),
        ]
      },
      { tolerance: { rtol: 5e-5, atol: 5e-4 } },
    )

  suite.test(
    'convolutions',
    () => [
      conv1d(noise([2, 3, 17]), noise([5, 3, 3]), noise([5]), { stride: 2, padding: 1 }),
      conv1d(noise([1, 4, 9]), noise([8, 2, 3]), null, { groups: 2, dilation: 2 }),
      conv2d(noise([2, 4, 9, 7]), noise([6, 4, 3, 3]), noise([6]), { padding: 1 }),
      conv2d(noise([1, 3, 8, 8]), noise([3, 1, 3, 2]), null, { groups: 3, stride: [2, 1] }),
      conv2d(noise([1, 16, 6, 5]), noise([17, 16, 1, 1])),
      conv3d(noise([1, 2, 4, 3, 5]), noise([3, 2, 2, 1, 3])),
      convTranspose2d(noise([1, 3, 4, 5]), noise([3, 2, 3, 3]), null, { stride: 2, padding: 1, outputPadding: 1 }),
    ],
    { tolerance: PRODUCTS },
  )

  suite.test(
    'gradients of convolutions',
    () => [
      ...gradients(
        (x, w) => conv2d(x, w, null, { stride: 2, padding: 1, groups: 2 }),
        [noise([2, 4, 6, 5]), noise([6, 2, 3, 3])],
      ),
      ...gradients((x, w) => conv1d(x, w, null, { dilation: 2 }), [noise([2, 2, 9]), noise([3, 2, 3])]),
    ],
    { tolerance: PRODUCTS },
  )

  suite.test(
    'pooling and resizing with gradients',
    () => {
      const x = noise([2, 3, 7, 6])
      const f = [
        (y: Tensor) => avgPool2d(y, { kernel: 3, stride: 2, padding: 1 }),
        (y: Tensor) => maxPool2d(y, { kernel: 2, stride: 2 }),
        (y: Tensor) => resize(y, [5, 9], { mode: 'bilinear' }),
      ]
      return f.flatMap((pool) => [pool(x), ...gradients(pool, [x])])
    },
    { tolerance: PRODUCTS },
  )

  attention(suite)
}

interface AttentionCase {
  readonly name: string
  readonly q: readonly number[]
  readonly kv: readonly number[]
  readonly options: Parameters<typeof scaledDotProductAttention>[3]
}

function attention(suite: SuiteContext): void {
  const cases: readonly AttentionCase[] = [
    { name: 'one query', q: [1, 2, 1, 8], kv: [1, 2, 33, 8], options: {} },
    {
      name: 'causal from the top left, grouped heads',
      q: [2, 4, 9, 5],
      kv: [2, 2, 9, 5],
      options: { causal: 'topLeft' },
    },
    {
      name: 'causal from the bottom right',
      q: [1, 2, 3, 16],
      kv: [1, 1, 70, 16],
      options: { causal: 'bottomRight', scale: 0.2 },
    },
    {
      name: 'a bool mask that hides rows',
      q: [2, 1, 5, 4],
      kv: [2, 1, 6, 4],
      options: { mask: noise([5, 6], 'bool', 0, 1, 3) },
    },
    { name: 'a float mask', q: [1, 2, 5, 4], kv: [1, 2, 6, 4], options: { mask: noise([2, 5, 6]) } },
    {
      name: 'a length',
      q: [1, 2, 2, 4],
      kv: [1, 2, 9, 4],
      options: { length: tensor(5, { dtype: 'i32' }), causal: 'bottomRight' },
    },
    { name: 'many keys', q: [1, 1, 70, 8], kv: [1, 1, 133, 8], options: {} },
  ]
  for (const { name, q, kv, options } of cases)
    suite.test(
      `attention and its gradients: ${name}`,
      () => {
        const inputs = [noise(q), noise(kv, 'f32', -2, 2, 2), noise(kv, 'f32', -2, 2, 3)]
        const f = (...own: Tensor[]): Tensor => scaledDotProductAttention(own[0], own[1], own[2], options)
        return [f(...inputs), ...gradients(f, inputs)]
      },
      { tolerance: { rtol: 5e-5, atol: 2e-5 } },
    )

  suite.test(
    'attention in narrow floats',
    () =>
      (['f16', 'bf16'] as const).map((dtype: DType) =>
        scaledDotProductAttention(
          noise([1, 2, 5, 8], dtype),
          noise([1, 2, 7, 8], dtype),
          cast(noise([1, 2, 7, 8]), dtype),
        ),
      ),
    { tolerance: NARROW_PRODUCTS },
  )
}
