/** Calls that must throw: typed errors that name the operator, the offending values and a way out. */
import { describe, expect, it } from 'vitest'
import { ArgumentError, DTypeError, ShapeError } from '../../src/errors.js'
import * as ops from '../../src/ops/index.js'
import * as random from '../../src/random/index.js'
import type { DType } from '../../src/dtype.js'
import type { Tensor } from '../../src/graph/tensor.js'

const t = (shape: readonly number[], dtype: DType = 'f32'): Tensor => ops.zeros(shape, { dtype })
const f = t([2, 3])
const g = t([3, 2])
const i = t([2, 3], 'i32')
const b = t([2, 3], 'bool')
const h = t([2, 3], 'f16')
const key = random.key(0)

type ErrorClass = typeof ShapeError | typeof DTypeError | typeof ArgumentError
/** Call, error, name that starts the message, and what the message must show. */
type Row = [call: () => unknown, error: ErrorClass, op: string, shows: readonly string[]]

/** For calls that types forbid. */
const wrong = <T>(value: unknown): T => value as T

const unaryFloat = [
  'reciprocal',
  'exp',
  'log',
  'log1p',
  'expm1',
  'sqrt',
  'rsqrt',
  'sin',
  'cos',
  'tanh',
  'erf',
  'erfInv',
  'sigmoid',
  'silu',
  'softplus',
  'gelu',
  'isNaN',
  'isInf',
  'isFinite',
  'mean',
  'logsumexp',
  'std',
  'norm',
  'softmax',
  'logSoftmax',
  'layerNorm',
  'rmsNorm',
] as const
const unaryNumeric = [
  'neg',
  'abs',
  'sign',
  'square',
  'floor',
  'ceil',
  'round',
  'trunc',
  'relu',
  'clip',
  'max',
  'min',
  'argmax',
  'argmin',
  'cummax',
  'cummin',
] as const
const binaryShaped = [
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'minimum',
  'maximum',
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
  'swiglu',
] as const
const binaryNumeric = [
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'minimum',
  'maximum',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
] as const
const logical = ['logicalAnd', 'logicalOr', 'logicalXor'] as const
const bitwise = ['bitwiseAnd', 'bitwiseOr', 'bitwiseXor', 'shiftLeft', 'shiftRight', 'rem'] as const

const families: Row[] = [
  ...unaryFloat.map((op): Row => [() => ops[op](i), DTypeError, op, ['i32[2, 3]']]),
  ...unaryNumeric.map((op): Row => [() => ops[op](b), DTypeError, op, ['bool[2, 3]']]),
  ...unaryNumeric.map((op): Row => [() => ops[op](wrong([1, 2])), ArgumentError, op, ['tensor(…)']]),
  ...binaryShaped.map((op): Row => [() => ops[op](f, g), ShapeError, op, ['f32[2, 3]', 'f32[3, 2]']]),
  ...binaryShaped.map((op): Row => [() => ops[op](f, h), DTypeError, op, ['f32[2, 3]', 'f16[2, 3]']]),
  ...binaryShaped.map((op): Row => [() => ops[op](1, 2), ArgumentError, op, ['1 and 2']]),
  ...binaryNumeric.map((op): Row => [() => ops[op](b, b), DTypeError, op, ['bool[2, 3]']]),
  ...logical.map((op): Row => [() => ops[op](f, f), DTypeError, op, ['f32[2, 3]']]),
  ...bitwise.map((op): Row => [() => ops[op](f, f), DTypeError, op, ['f32[2, 3]']]),
]

const singles: Row[] = [
  [() => ops.logicalNot(f), DTypeError, 'logicalNot', ['f32[2, 3]']],
  [() => ops.bitwiseNot(f), DTypeError, 'bitwiseNot', ['f32[2, 3]']],
  [() => ops.variance(i), DTypeError, 'var', ['i32[2, 3]']],
  [() => ops.add(i, 0.5), ArgumentError, 'add', ['0.5', 'i32']],
  [() => ops.add(t([1], 'u8'), 256), ArgumentError, 'add', ['256', 'u8']],
  [() => ops.add(t([1], 'u32'), -1), ArgumentError, 'add', ['-1', 'u32']],
  [() => ops.fma(f, f, g), ShapeError, 'fma', ['f32[2, 3]', 'f32[3, 2]']],
  [() => ops.clip(f, { min: 2, max: 1 }), ArgumentError, 'clip', ['min 2 and max 1']],
  [() => ops.where(f, f, f), DTypeError, 'where', ['f32[2, 3]']],
  [() => ops.where(b, g, g), ShapeError, 'where', ['bool[2, 3]', 'f32[3, 2]']],
  [() => ops.where(b, f, h), DTypeError, 'where', ['f32[2, 3]', 'f16[2, 3]']],
  [() => ops.cast(f, wrong('f64')), DTypeError, 'cast', ['f64']],
  [() => ops.bitcast(h, 'i32'), DTypeError, 'bitcast', ['f16[2, 3]']],
  [() => ops.gelu(f, { approximate: wrong('fast') }), ArgumentError, 'gelu', ['fast']],
  [() => ops.stopGradient(wrong(1)), ArgumentError, 'stopGradient', ['1']],
  // Making tensors
  [() => ops.tensor([[1, 2], [3]]), ShapeError, 'tensor', ['axis 1 has 2', 'length 1']],
  [() => ops.tensor([1, [2]]), ShapeError, 'tensor', ['length 1']],
  [() => ops.tensor([1, 2, 3], { shape: [2] }), ShapeError, 'tensor', ['3 elements', '[2]']],
  [() => ops.tensor([1.5], { dtype: 'i32' }), ArgumentError, 'tensor', ['1.5']],
  [() => ops.tensor([300], { dtype: 'u8' }), ArgumentError, 'tensor', ['300']],
  [() => ops.tensor(wrong(['a'])), ArgumentError, 'tensor', ['"a"']],
  [() => ops.tensor(new Uint16Array(2)), DTypeError, 'tensor', ['Uint16Array']],
  [() => ops.tensor([1], { shape: [-1] }), ShapeError, 'tensor', ['[-1]']],
  [() => ops.fromBytes(new Uint8Array(7), { shape: [2], dtype: 'f32' }), ShapeError, 'fromBytes', ['8 bytes', '7']],
  [() => ops.scalar(1.5, { dtype: 'i32' }), ArgumentError, 'tensor', ['1.5']],
  [() => ops.zeros([1.5]), ShapeError, 'zeros', ['1.5']],
  [() => ops.ones([2], { dtype: wrong('int') }), DTypeError, 'ones', ['int']],
  [() => ops.full([2], -1, { dtype: 'u8' }), ArgumentError, 'full', ['-1']],
  [() => ops.fullLike(i, 0.5), ArgumentError, 'fullLike', ['0.5']],
  [() => ops.arange(0, 5, { step: 0 }), ArgumentError, 'arange', ['0, 5 and 0']],
  [() => ops.arange(0, 1, { step: 0.5 }), ArgumentError, 'arange', ['0.5']],
  [() => ops.arange(0, 300, { dtype: 'u8' }), ArgumentError, 'arange', ['299']],
  [() => ops.arange(3, { dtype: 'bool' }), DTypeError, 'arange', ['bool']],
  [() => ops.linspace(0, 1, -1), ArgumentError, 'linspace', ['-1']],
  [() => ops.eye(2, { k: 0.5 }), ArgumentError, 'eye', ['0.5']],
  [() => ops.tri(-2), ArgumentError, 'tri', ['-2']],
  // Reductions
  [() => ops.sum(f, { axes: 2 }), ShapeError, 'sum', ['axis 2', '[2, 3]']],
  [() => ops.prod(f, { axes: [0, -2] }), ShapeError, 'prod', ['[0, -2]', '[2, 3]']],
  [() => ops.any(f, { axes: -3 }), ShapeError, 'any', ['-3']],
  [() => ops.all(f, { axes: 0.5 }), ShapeError, 'all', ['0.5']],
  [() => ops.max(t([0, 3]), { axes: 0 }), ShapeError, 'max', ['f32[0, 3]', '[0]']],
  [() => ops.min(t([0])), ShapeError, 'min', ['f32[0]']],
  [() => ops.argmax(t([2, 0]), { axis: 1 }), ShapeError, 'argmax', ['f32[2, 0]']],
  [() => ops.argmin(f, { axis: 5 }), ShapeError, 'argmin', ['5']],
  [() => ops.norm(f, { ord: 0 }), ArgumentError, 'norm', ['0']],
  [() => ops.norm(t([0]), { ord: 'inf' }), ShapeError, 'norm', ['f32[0]']],
  [() => ops.cumsum(f, { axis: 2 }), ShapeError, 'cumsum', ['axis 2']],
  [() => ops.cumprod(t([])), ShapeError, 'cumprod', ['[]']],
  // Movement
  [() => ops.reshape(f, [4]), ShapeError, 'reshape', ['f32[2, 3]', '[4]']],
  [() => ops.reshape(t([0, 3]), [0, -1]), ShapeError, 'reshape', ['[0, -1]']],
  [() => ops.transpose(f, [0, 0]), ShapeError, 'transpose', ['f32[2, 3]', '[0, 0]']],
  [() => ops.swapAxes(f, 0, 2), ShapeError, 'swapAxes', ['axis 2']],
  [() => ops.squeeze(f, 0), ShapeError, 'squeeze', ['f32[2, 3]', 'axis 0']],
  [() => ops.expandDims(f, [0, 0]), ShapeError, 'expandDims', ['[0, 0]']],
  [() => ops.broadcastTo(f, [4, 3]), ShapeError, 'broadcastTo', ['f32[2, 3]', '[4, 3]']],
  [() => ops.flip(f, 2), ShapeError, 'flip', ['axis 2']],
  [() => ops.slice(f, [[0, 1, 0]]), ShapeError, 'slice', ['f32[2, 3]', '[[0,1,0]]']],
  [() => ops.slice(f, [null, null, null]), ShapeError, 'slice', ['at most 2']],
  [() => ops.pad(f, [[1, 1]]), ShapeError, 'pad', ['[[1,1]]']],
  [
    () =>
      ops.pad(
        f,
        [
          [2, 0],
          [0, 0],
        ],
        { mode: 'reflect' },
      ),
    ShapeError,
    'pad',
    ['reflect', '[[2,0],[0,0]]'],
  ],
  [() => ops.pad(t([0]), [[1, 0]], { mode: 'edge' }), ShapeError, 'pad', ['edge']],
  [
    () =>
      ops.pad(f, [
        [-2, -1],
        [0, 0],
      ]),
    ShapeError,
    'pad',
    ['[[-2,-1],[0,0]]'],
  ],
  [
    () =>
      ops.pad(
        i,
        [
          [1, 1],
          [0, 0],
        ],
        { value: 0.5 },
      ),
    ArgumentError,
    'pad',
    ['0.5'],
  ],
  [
    () =>
      ops.pad(
        f,
        [
          [1, 1],
          [0, 0],
        ],
        { mode: wrong('wrap') },
      ),
    ArgumentError,
    'pad',
    ['wrap'],
  ],
  [() => ops.concat([f, g]), ShapeError, 'concat', ['f32[2, 3]', 'f32[3, 2]']],
  [() => ops.concat([]), ArgumentError, 'concat', ['length 0']],
  [() => ops.concat([f, h]), DTypeError, 'concat', ['f16[2, 3]']],
  [() => ops.stack([f, g]), ShapeError, 'stack', ['f32[3, 2]']],
  [() => ops.stack([f], { axis: 3 }), ShapeError, 'stack', ['axis 3']],
  [() => ops.split(f, [1, 1], { axis: 1 }), ShapeError, 'split', ['[1, 1]']],
  [() => ops.unstack(t([])), ShapeError, 'unstack', ['[]']],
  [() => ops.tile(f, [-1]), ArgumentError, 'tile', ['-1']],
  [() => ops.repeat(f, 0.5, { axis: 0 }), ArgumentError, 'repeat', ['0.5']],
  [() => ops.roll(f, [1, 2], { axes: 0 }), ArgumentError, 'roll', ['[1, 2]']],
  [() => ops.tril(t([3])), ShapeError, 'tril', ['f32[3]']],
  [() => ops.triu(t([])), ShapeError, 'triu', ['f32[]']],
  [() => ops.diag(t([1, 2, 3])), ShapeError, 'diag', ['f32[1, 2, 3]']],
  // Indexing and sorting
  [() => ops.embedding(f, f), DTypeError, 'embedding', ['f32[2, 3]']],
  [() => ops.embedding(t([]), i), ShapeError, 'embedding', ['f32[]']],
  [() => ops.gather(f, f, { axis: 0 }), DTypeError, 'gather', ['f32[2, 3]']],
  [() => ops.gather(f, t([3, 4], 'i32'), { axis: 0 }), ShapeError, 'gather', ['i32[3, 4]']],
  [() => ops.takeAlongAxis(f, t([3], 'i32'), { axis: 1 }), ShapeError, 'takeAlongAxis', ['i32[3]']],
  [() => ops.takeAlongAxis(f, t([3, 1], 'i32'), { axis: 1 }), ShapeError, 'takeAlongAxis', ['i32[3, 1]']],
  [() => ops.indexSelect(f, i), ShapeError, 'indexSelect', ['i32[2, 3]']],
  [() => ops.scatterAdd(f, i, t([1, 3]), { axis: 0 }), ShapeError, 'scatterAdd', ['f32[1, 3]']],
  [() => ops.scatterAdd(f, t([2, 4], 'i32'), t([2, 4]), { axis: 0 }), ShapeError, 'scatterAdd', ['i32[2, 4]']],
  [() => ops.oneHot(f, 3), DTypeError, 'oneHot', ['f32[2, 3]']],
  [() => ops.oneHot(i, -1), ArgumentError, 'oneHot', ['-1']],
  [() => ops.dynamicSlice(f, [0], [1, 1]), ShapeError, 'dynamicSlice', ['1 starts']],
  [() => ops.dynamicSlice(f, [0, 0], [3, 1]), ShapeError, 'dynamicSlice', ['[3, 1]']],
  [() => ops.dynamicSlice(f, [0, 0.5], [1, 1]), ArgumentError, 'dynamicSlice', ['0.5']],
  [() => ops.dynamicSlice(f, [0, ops.scalar(1)], [1, 1]), DTypeError, 'dynamicSlice', ['f32[]']],
  [() => ops.updateSlice(f, t([3, 3]), [0, 0]), ShapeError, 'updateSlice', ['f32[3, 3]']],
  [() => ops.sort(f, { axis: 2 }), ShapeError, 'sort', ['axis 2']],
  [() => ops.argsort(t([])), ShapeError, 'argsort', ['[]']],
  [() => ops.topk(f, 4), ShapeError, 'topk', ['k 4', 'f32[2, 3]']],
  // Products
  [() => ops.matmul(f, f), ShapeError, 'matmul', ['f32[2, 3]']],
  [() => ops.matmul(t([2, 2], 'u8'), t([2, 2], 'u8')), DTypeError, 'matmul', ['u8[2, 2]']],
  [() => ops.dot(f, f), ShapeError, 'dot', ['f32[2, 3]']],
  [() => ops.outer(f, t([2])), ShapeError, 'outer', ['f32[2, 3]']],
  [() => ops.einsum('ij,jk', f, f), ShapeError, 'einsum', ['sizes of j', '3 and 2']],
  [() => ops.einsum('ij->ijk', f), ArgumentError, 'einsum', ['ij->ijk']],
  [() => ops.einsum('i->i', f), ArgumentError, 'einsum', ['f32[2, 3]']],
  [() => ops.einsum('i..j->', f), ArgumentError, 'einsum', ['i..j']],
  [() => ops.einsum('ij->ii', f), ArgumentError, 'einsum', ['ij->ii']],
  [() => ops.einsum('...i,...i->...', f, g), ShapeError, 'einsum', ['f32[3, 2]']],
  [() => ops.groupedMatmul(f, t([4, 5, 2]), t([5], 'i32')), ShapeError, 'groupedMatmul', ['f32[2, 3]', 'f32[4, 5, 2]']],
  [() => ops.groupedMatmul(f, t([4, 3, 2]), t([4], 'i32')), ShapeError, 'groupedMatmul', ['[5]', 'i32[4]']],
  [() => ops.groupedMatmul(f, t([4, 3, 2]), t([5])), DTypeError, 'groupedMatmul', ['f32[5]']],
  [() => ops.groupedMatmul(f, t([4, 3, 2]), [0, 1] as never), ArgumentError, 'groupedMatmul', ['array of length 2']],
  [
    () => ops.groupedMatmul(f, { format: 'int8', group: 3, packed: t([4, 3], 'i8'), scale: t([4, 1]) }, t([5], 'i32')),
    ShapeError,
    'groupedMatmul',
    ['i8[4, 3]', 'stack'],
  ],
  [
    () =>
      ops.groupedMatmul(
        t([2, 4]),
        { format: 'int8', group: 3, packed: t([4, 2, 3], 'i8'), scale: t([4, 2, 1]) },
        t([5], 'i32'),
      ),
    ShapeError,
    'groupedMatmul',
    ['f32[2, 4]', '4 weights of [2, 3]'],
  ],
  [() => ops.groupedMatmul(f, null as never, t([5], 'i32')), ArgumentError, 'groupedMatmul', ['null']],
  [
    () => ops.boundedMatmul(f, t([3, 2]), 1, { activations: 'i8' }),
    ArgumentError,
    'boundedMatmul',
    ["'i8'", 'f32[3, 2]'],
  ],
  [() => ops.boundedMatmul(f, t([2, 3]), 1), ShapeError, 'boundedMatmul', ['f32[2, 3]']],
  [() => ops.boundedMatmul(f, t([3, 2]), -1), ArgumentError, 'boundedMatmul', ['inUse', '-1']],
  [() => ops.boundedMatmul(f, t([3, 2]), t([1], 'i32')), ArgumentError, 'boundedMatmul', ['i32[1]']],
  [
    () => ops.quantMatmul(f, { format: 'int8', group: 3, packed: t([4, 4], 'i8'), scale: t([4, 1]) }),
    ArgumentError,
    'quantMatmul',
    ['group 3'],
  ],
  [
    () => ops.quantMatmul(f, { format: 'int8', group: 4, packed: t([4, 4], 'i8'), scale: t([4, 1]) }),
    ShapeError,
    'quantMatmul',
    ['f32[2, 3]', '[4, 4]'],
  ],
  [
    () => ops.quantMatmul(t([1, 32]), { format: 'int4', group: 32, packed: t([4, 16], 'u8'), scale: t([4, 1]) }),
    ArgumentError,
    'quantMatmul',
    ['without zero'],
  ],
  [
    () => ops.quantMatmul(t([1, 32]), { format: 'nf4', group: 32, packed: t([4, 16], 'i8'), scale: t([4, 1]) }),
    DTypeError,
    'quantMatmul',
    ['i8[4, 16]'],
  ],
  [
    () => ops.quantMatmul(t([1, 32]), { format: 'nf4', group: 32, packed: t([4, 16], 'u8'), scale: t([1, 4]) }),
    ShapeError,
    'quantMatmul',
    ['f32[1, 4]'],
  ],
  // Convolution and pooling
  [() => ops.conv1d(t([1, 2, 5]), t([3, 1, 2])), ShapeError, 'conv1d', ['f32[3, 1, 2]']],
  [() => ops.conv1d(t([1, 1, 5]), t([1, 1, 2]), null, { stride: 0 }), ArgumentError, 'conv1d', ['0']],
  [() => ops.conv2d(t([1, 1, 5]), t([1, 1, 2])), ShapeError, 'conv2d', ['2 spatial axes']],
  [() => ops.conv2d(t([1, 1, 2, 2]), t([1, 1, 3, 1])), ShapeError, 'conv2d', ['f32[1, 1, 3, 1]']],
  [() => ops.conv2d(t([1, 1, 4, 4]), t([2, 1, 3, 3]), t([3])), ShapeError, 'conv2d', ['f32[3]']],
  [
    () => ops.conv2d(t([1, 1, 4, 4]), t([2, 1, 3, 3]), null, { padding: [1, 2, 3] }),
    ArgumentError,
    'conv2d',
    ['[1,2,3]'],
  ],
  [() => ops.conv3d(t([1, 1, 4, 4, 4]), t([3, 1, 1, 1, 1]), null, { groups: 2 }), ShapeError, 'conv3d', ['2']],
  [() => ops.convTranspose2d(t([1, 2, 3, 3]), t([3, 1, 2, 2])), ShapeError, 'convTranspose2d', ['f32[3, 1, 2, 2]']],
  [
    () => ops.convTranspose2d(t([1, 2, 3, 3]), t([2, 1, 2, 2]), null, { outputPadding: 1 }),
    ArgumentError,
    'convTranspose2d',
    ['outputPadding 1'],
  ],
  [
    () => ops.convTranspose2d(t([1, 1, 1, 1]), t([1, 1, 1, 1]), null, { padding: 1 }),
    ShapeError,
    'convTranspose2d',
    ['[1, 1]'],
  ],
  [() => ops.avgPool2d(f, { kernel: 2 }), ShapeError, 'avgPool2d', ['f32[2, 3]']],
  [() => ops.avgPool2d(t([1, 1, 2, 2]), { kernel: 3 }), ShapeError, 'avgPool2d', ['f32[1, 1, 2, 2]']],
  [() => ops.avgPool(f, { kernel: 2 }), ShapeError, 'avgPool', ['f32[2, 3]']],
  [() => ops.maxPool2d(t([1, 1, 4, 4]), { kernel: 2, padding: 2 }), ArgumentError, 'maxPool2d', ['2']],
  [() => ops.maxPool(t([1, 1, 4]), { kernel: [1, 2] }), ArgumentError, 'maxPool', ['[1, 2]']],
  [() => ops.unfold(t([1, 1, 2]), { kernel: 1 }), ShapeError, 'unfold', ['f32[1, 1, 2]']],
  [() => ops.resize(f, [2, 2]), ShapeError, 'resize', ['f32[2, 3]']],
  [() => ops.resize(t([1, 1, 2, 2]), [0, 2]), ArgumentError, 'resize', ['0']],
  [() => ops.resize(t([1, 1, 2, 2], 'i32'), [2, 3], { mode: 'bilinear' }), DTypeError, 'resize', ['i32[1, 1, 2, 2]']],
  [() => ops.resize(t([1, 1, 0, 2]), [2, 2]), ShapeError, 'resize', ['f32[1, 1, 0, 2]']],
  // Norms, attention, losses
  [() => ops.softmax(f, { axis: 2 }), ShapeError, 'softmax', ['axis 2']],
  [() => ops.logSoftmax(t([])), ShapeError, 'logSoftmax', ['[]']],
  [() => ops.layerNorm(f, t([2])), ShapeError, 'layerNorm', ['[3]', 'f32[2]']],
  [() => ops.layerNorm(f, null, null, { axes: 3 }), ShapeError, 'layerNorm', ['axes 3']],
  [() => ops.layerNorm(f, t([3], 'f16')), DTypeError, 'layerNorm', ['f16[3]']],
  [() => ops.rmsNorm(f, t([2])), ShapeError, 'rmsNorm', ['f32[2]']],
  [() => ops.groupNorm(f, null, null, { groups: 2 }), ShapeError, 'groupNorm', ['groups 2']],
  [() => ops.scaledDotProductAttention(f, f, f), ShapeError, 'scaledDotProductAttention', ['f32[2, 3]']],
  [
    () => ops.scaledDotProductAttention(t([1, 3, 2, 4]), t([1, 2, 2, 4]), t([1, 2, 2, 4])),
    ShapeError,
    'scaledDotProductAttention',
    ['f32[1, 3, 2, 4]'],
  ],
  [
    () => ops.scaledDotProductAttention(t([1, 1, 2, 4]), t([1, 1, 2, 5]), t([1, 1, 2, 4])),
    ShapeError,
    'scaledDotProductAttention',
    ['f32[1, 1, 2, 5]'],
  ],
  [
    () => ops.scaledDotProductAttention(t([1, 1, 2, 4]), t([1, 1, 3, 4]), t([1, 1, 2, 4])),
    ShapeError,
    'scaledDotProductAttention',
    ['f32[1, 1, 3, 4]'],
  ],
  [
    () => ops.scaledDotProductAttention(t([1, 1, 2, 4]), t([2, 1, 3, 4]), t([2, 1, 3, 4])),
    ShapeError,
    'scaledDotProductAttention',
    ['f32[2, 1, 3, 4]'],
  ],
  [
    () => ops.scaledDotProductAttention(t([1, 1, 2, 4]), t([1, 1, 2, 4]), t([1, 1, 2, 4]), { mask: t([3, 2]) }),
    ShapeError,
    'scaledDotProductAttention',
    ['f32[3, 2]'],
  ],
  [
    () => ops.scaledDotProductAttention(t([1, 1, 2, 4]), t([1, 1, 2, 4]), t([1, 1, 2, 4]), { mask: t([2, 2], 'i32') }),
    DTypeError,
    'scaledDotProductAttention',
    ['i32[2, 2]'],
  ],
  [
    () => ops.scaledDotProductAttention(t([1, 1, 2, 4]), t([1, 1, 2, 4]), t([1, 1, 2, 4]), { causal: wrong('yes') }),
    ArgumentError,
    'scaledDotProductAttention',
    ['yes'],
  ],
  [
    () => ops.scaledDotProductAttention(t([1, 1, 2, 4]), t([1, 1, 2, 4]), t([1, 1, 2, 4]), { length: ops.scalar(1) }),
    DTypeError,
    'scaledDotProductAttention',
    ['f32[]'],
  ],
  [() => ops.rope(f, ops.arange(3)), ShapeError, 'rope', ['f32[2, 3]']],
  [() => ops.rope(t([1, 3, 2, 4]), ops.arange(2)), ShapeError, 'rope', ['i32[2]']],
  [() => ops.rope(t([1, 3, 2, 4]), t([3])), DTypeError, 'rope', ['f32[3]']],
  [() => ops.rope(t([1, 3, 2, 4]), ops.arange(3), { dim: 3 }), ArgumentError, 'rope', ['dim 3']],
  [() => ops.rope(t([1, 3, 2, 4]), ops.arange(3), { frequencies: [1] }), ArgumentError, 'rope', ['2 numbers']],
  [() => ops.crossEntropy(f, f), DTypeError, 'crossEntropy', ['f32[2, 3]']],
  [() => ops.crossEntropy(f, t([3], 'i32')), ShapeError, 'crossEntropy', ['f32[2, 3]', 'i32[3]']],
  [() => ops.crossEntropy(f, t([2], 'i32'), { labelSmoothing: 2 }), ArgumentError, 'crossEntropy', ['2']],
  [() => ops.crossEntropy(f, t([2], 'i32'), { reduction: wrong('avg') }), ArgumentError, 'crossEntropy', ['avg']],
  // Random numbers
  [() => random.key(-1), ArgumentError, 'random.key', ['-1']],
  [() => random.split(f), ShapeError, 'random.split', ['f32[2, 3]']],
  [() => random.split(key, 0), ArgumentError, 'random.split', ['0']],
  [() => random.foldIn(key, -1), ArgumentError, 'random.foldIn', ['-1']],
  [() => random.foldIn(key, ops.scalar(1)), DTypeError, 'random.foldIn', ['f32[]']],
  [() => random.block(key, f), ShapeError, 'random.block', ['f32[2, 3]']],
  [() => random.bits(key, [-1]), ShapeError, 'random.bits', ['-1']],
  [() => random.bits(key, [1], { dtype: wrong('u16') }), DTypeError, 'random.bits', ['u16']],
  [() => random.uniform(key, [1], { min: 1, max: 0 }), ArgumentError, 'random.uniform', ['min 1 and max 0']],
  [() => random.uniform(f, [1]), ShapeError, 'random.uniform', ['f32[2, 3]']],
  [() => random.normal(key, [1], { dtype: wrong('i32') }), DTypeError, 'random.normal', ['i32']],
  [() => random.truncatedNormal(key, 1, 1, [1]), ArgumentError, 'random.truncatedNormal', ['1 and 1']],
  [() => random.bernoulli(key, f, [3]), ShapeError, 'random.bernoulli', ['f32[2, 3]']],
  [() => random.randint(key, [1], { min: 3, max: 3 }), ArgumentError, 'random.randint', ['min 3 and max 3']],
  [() => random.gumbel(key, [1], { dtype: wrong('i8') }), DTypeError, 'random.gumbel', ['i8']],
  [() => random.categorical(key, t([2, 0])), ShapeError, 'random.categorical', ['f32[2, 0]']],
  [() => random.permutation(key, -1), ArgumentError, 'random.permutation', ['-1']],
]

const rows = [...families, ...singles]

describe('a wrong call', () => {
  it.each(rows.map(([call, error, op, shows], at) => ({ at, op, call, error, shows })))(
    'throws a typed error that names $op and what is wrong (row $at)',
    ({ call, error, op, shows }) => {
      let caught: unknown
      try {
        call()
      } catch (thrown) {
        caught = thrown
      }
      expect(caught).toBeInstanceOf(error)
      const { message } = caught as Error
      expect(message.startsWith(`${op}: `)).toBe(true)
      for (const part of shows) expect(message).toContain(part)
      expect(message).toMatch(/, got .*|axis must|axes/)
    },
  )

  it('is tested for every operator', () => {
    const infallible = ['zerosLike', 'onesLike', 'installMethods']
    const tested = new Set(rows.map(([, , op]) => (op === 'var' ? 'variance' : op)))
    const renamed = { scalar: 'tensor' } as Record<string, string>
    const missing = Object.keys(ops).filter((name) => !tested.has(renamed[name] ?? name) && !infallible.includes(name))
    expect(missing).toEqual([])
    expect(Object.keys(random).filter((name) => !tested.has(`random.${name}`))).toEqual([])
  })
})
