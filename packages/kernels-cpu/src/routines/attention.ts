/** Plans of attention and of its gradient. */
import type { RoutineStep, View } from '@tarazed/tensor'
import type { RoutinePlan, RoutineStage } from './plan.js'
import { ceilDiv, dtypeCode, numberAttr, product, roundUp } from './views.js'

const MULTIPLY_ADDS_PER_NANOSECOND = 20
/** Query rows of an item: enough to make packing the keys cheap. */
const ROW_BLOCK = 64
/** Keys at a time: their packed form, their values and the scores stay in the second cache. */
const KEY_BLOCK = 128
const KEY_BLOCK_OF_GRADIENT = 64
/** From so many (batch, key head) pairs on, an item of the gradient is a pair, and weights are recomputed once. */
const PAIRS_WORTH_ONE_STAGE = 8

const CAUSAL = ['none', 'topLeft', 'bottomRight']
const MASKS = ['none', 'bool', 'float']

interface Sizes {
  readonly B: number
  readonly H: number
  readonly G: number
  readonly T: number
  readonly S: number
  readonly D: number
  readonly E: number
  /** D and E rounded up to whole register blocks. */
  readonly queryPitch: number
  readonly valuePitch: number
  readonly rowBlock: number
  readonly keyBlock: number
  readonly rowBlocks: number
  readonly keyBlocks: number
}

function sizesOf([q, k, v]: readonly View[], keyBlockLimit: number): Sizes {
  const [B, H, T, D] = q.shape
  const [, G, S] = k.shape
  const E = v.shape[3]
  const rows = (H / G) * T
  const rowBlock = Math.min(ROW_BLOCK, roundUp(rows, 4))
  const keyBlock = Math.min(keyBlockLimit, Math.max(8, roundUp(S, 8)))
  return {
    B,
    H,
    G,
    T,
    S,
    D,
    E,
    queryPitch: roundUp(D, 8),
    valuePitch: roundUp(E, 8),
    rowBlock,
    keyBlock,
    rowBlocks: ceilDiv(rows, rowBlock),
    keyBlocks: ceilDiv(S, keyBlock),
  }
}

/** Bits of an f32 as an integer word. */
function floatBits(value: number): number {
  return new Int32Array(Float32Array.of(value).buffer)[0]
}

/** Words of assembly/attentionTiles.ts, in its order. `fixed` is the number of operands before mask and length. */
function attentionWords(step: RoutineStep, sizes: Sizes, fixed: number): Int32Array {
  const [q, k, v] = step.operands
  const hasMask = step.attrs.mask !== 'none' && step.attrs.mask !== undefined
  const mask = hasMask ? step.operands[fixed] : undefined
  const lengthAt = fixed + (hasMask ? 1 : 0)
  const none = [0, 0, 0, 0]
  const [out, lse, dout] = fixed === 6 ? step.operands.slice(3, 6).map((view) => view.strides) : [none, none, none]
  return Int32Array.from([
    dtypeCode(q.dtype),
    sizes.H,
    sizes.G,
    sizes.T,
    sizes.S,
    sizes.D,
    sizes.E,
    sizes.queryPitch,
    sizes.valuePitch,
    floatBits(numberAttr(step.attrs, 'scale')),
    CAUSAL.indexOf(step.attrs.causal as string),
    MASKS.indexOf((step.attrs.mask as string | undefined) ?? 'none'),
    mask === undefined ? 0 : dtypeCode(mask.dtype),
    hasMask ? fixed : -1,
    step.operands.length > lengthAt ? lengthAt : -1,
    sizes.rowBlock,
    sizes.keyBlock,
    sizes.rowBlocks,
    sizes.keyBlocks,
    sizes.B,
    ...q.strides,
    ...k.strides,
    ...v.strides,
    ...(mask === undefined ? none : maskStrides(mask, step)),
    ...out,
    ...dout,
    ...lse.slice(0, 3),
  ])
}

/** A mask axis of extent 1 is repeated. */
function maskStrides(mask: View, step: RoutineStep): number[] {
  const [B, H, T] = step.operands[0].shape
  const full = [B, H, T, step.operands[1].shape[2]]
  const missing = full.length - mask.shape.length
  return full.map((extent, axis) => {
    if (axis < missing) return 0
    return mask.shape[axis - missing] === extent ? mask.strides[axis - missing] : 0
  })
}

/** @see packages/tensor/src/program/routines.ts, `attention` */
export function planAttention(step: RoutineStep): RoutinePlan {
  const sizes = sizesOf(step.operands, KEY_BLOCK)
  const { rowBlock, keyBlock, queryPitch, valuePitch, S } = sizes
  const nanoseconds = (rowBlock * S * (queryPitch + valuePitch)) / MULTIPLY_ADDS_PER_NANOSECOND + rowBlock * S + 200
  const items = sizes.B * sizes.G * sizes.rowBlocks
  // q rows, packed keys, value rows, scores, output rows, maximum, sum, open keys: the layout of assembly/attention.ts.
  const floats = rowBlock * (queryPitch + keyBlock + valuePitch + 3) + keyBlock * (queryPitch + valuePitch)
  return {
    stages: items === 0 ? [] : [{ fn: `attention${step.operands.length}`, items, itemNanoseconds: nanoseconds }],
    words: attentionWords(step, sizes, 3),
    sharedBytes: 0,
    threadBytes: 4 * floats,
  }
}

/** @see packages/tensor/src/program/routines.ts, `attentionGrad` */
export function planAttentionGrad(step: RoutineStep): RoutinePlan {
  const sizes = sizesOf(step.operands, KEY_BLOCK_OF_GRADIENT)
  const { B, G, H, T, rowBlock, keyBlock, queryPitch, valuePitch } = sizes
  const pairs = B * G
  const isOneStage = pairs >= PAIRS_WORTH_ONE_STAGE
  const rows = (H / G) * T
  const deltaBytes = roundUp(4 * B * H * T, 64)
  // q and dout rows, key rows, packed keys and values, two tiles, sums, open keys: the layout of assembly/attentionGrad.ts.
  const floats =
    rowBlock * (2 * queryPitch + valuePitch + 2 * keyBlock + 1) + keyBlock * (3 * queryPitch + 2 * valuePitch)
  return {
    stages: product([B, H]) === 0 ? [] : gradStages(step.operands.length, sizes, isOneStage),
    words: attentionWords(step, sizes, 6),
    sharedBytes: deltaBytes + (isOneStage ? 4 * pairs * roundUp(rows, 4) * queryPitch : 0),
    threadBytes: 4 * floats,
  }
}

function gradStages(operands: number, sizes: Sizes, isOneStage: boolean): RoutineStage[] {
  const { B, G, H, T, S, rowBlocks, keyBlocks, queryPitch, valuePitch } = sizes
  const pairs = B * G
  // Of one (batch, key head) pair, for one pass over its weights.
  const pairNanoseconds = ((H / G) * T * S * (2 * queryPitch + valuePitch)) / MULTIPLY_ADDS_PER_NANOSECOND + T * S + 500
  const delta = { fn: `attentionDelta${operands}`, items: B * H, itemNanoseconds: T * sizes.E + 50 }
  const stages = isOneStage
    ? [delta, { fn: `attentionAllGrads${operands}`, items: pairs, itemNanoseconds: 2 * pairNanoseconds }]
    : [
        delta,
        {
          fn: `attentionQueryGrad${operands}`,
          items: pairs * rowBlocks,
          itemNanoseconds: pairNanoseconds / Math.max(1, rowBlocks),
        },
        {
          fn: `attentionKeyGrad${operands}`,
          items: pairs * keyBlocks,
          itemNanoseconds: (1.5 * pairNanoseconds) / Math.max(1, keyBlocks),
        },
      ]
  return stages.filter((stage) => stage.items > 0)
}
