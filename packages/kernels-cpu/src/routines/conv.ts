/** Plans of convolutions: implicit windows times packed weights, or a plain product when the kernel is 1×1. */
import { MATMUL_K_BLOCK, type RoutineStep, type View } from '@tarazed/tensor'
import { planProduct, type ProductOptions } from './matmul.js'
import type { RoutinePlan } from './plan.js'
import { type Axis, axesOf, ceilDiv, collapse, dtypeCode, listAttr, numberAttr, product, roundUp } from './views.js'

const SPATIAL_AXES = 3
const MULTIPLY_ADDS_PER_NANOSECOND = 20
const RUN_BYTES = 24
/** Columns gathered at a time: 256 steps of them fit the second cache beside the weights. */
const COLUMN_BLOCK = 256

interface Spatial {
  readonly input: number
  readonly kernel: number
  readonly output: number
  readonly stride: number
  readonly padLow: number
  readonly lhsDilation: number
  readonly rhsDilation: number
  readonly xStride: number
  readonly wStride: number
}

const NO_AXIS: Spatial = {
  input: 1,
  kernel: 1,
  output: 1,
  stride: 1,
  padLow: 0,
  lhsDilation: 1,
  rhsDilation: 1,
  xStride: 0,
  wStride: 0,
}

/** @see packages/tensor/src/program/routines.ts, `conv` */
export function planConv(step: RoutineStep): RoutinePlan {
  const [x, w] = step.operands
  const [result] = step.results
  const groups = numberAttr(step.attrs, 'groups')
  if (product(result.shape) === 0) return { stages: [], words: new Int32Array(0), sharedBytes: 0, threadBytes: 0 }
  const axes = spatialAxes(step)
  if (groups === 1 && axes.every(isPointwise)) {
    const pixels = collapse(axes.map(({ input, xStride }): Axis => ({ extent: input, strides: [xStride] })))
    if (pixels.length <= 1) {
      const options = { hasEpilogue: step.epilogue !== undefined }
      return planPointwise(x, w, result, pixels[0]?.strides[0] ?? 1, options)
    }
  }
  return planWindows(x, w, groups, axes)
}

function spatialAxes(step: RoutineStep): Spatial[] {
  const [x, w] = step.operands
  const attr = (name: string) => listAttr(step.attrs, name)
  const axes = x.shape.slice(2).map((input, axis) => ({
    input,
    kernel: w.shape[axis + 2],
    output: step.results[0].shape[axis + 2],
    stride: attr('stride')[axis],
    padLow: attr('padLow')[axis],
    lhsDilation: attr('lhsDilation')[axis],
    rhsDilation: attr('rhsDilation')[axis],
    xStride: x.strides[axis + 2],
    wStride: w.strides[axis + 2],
  }))
  return [...new Array<Spatial>(SPATIAL_AXES - axes.length).fill(NO_AXIS), ...axes]
}

function isPointwise(axis: Spatial): boolean {
  return axis.kernel === 1 && axis.stride === 1 && axis.padLow === 0 && axis.output === axis.input
}

/** result[n] = w [O, C] × x[n] [C, pixels]. */
function planPointwise(x: View, w: View, result: View, pixelStride: number, options: ProductOptions): RoutinePlan {
  const [N, C] = x.shape
  const O = w.shape[0]
  const pixels = product(x.shape.slice(2))
  const weights = { ...w, shape: [N, O, C], strides: [0, w.strides[0], w.strides[1]] }
  const images = { ...x, shape: [N, C, pixels], strides: [x.strides[0], x.strides[1], pixelStride] }
  const matrices = { ...result, shape: [N, O, pixels], strides: [O * pixels, pixels, 1] }
  return planProduct(weights, 1, images, 0, matrices, options)
}

function planWindows(x: View, w: View, groups: number, axes: readonly Spatial[]): RoutinePlan {
  const outChannels = w.shape[0] / groups
  const channels = w.shape[1]
  const depth = channels * product(axes.map((axis) => axis.kernel))
  const columns = x.shape[0] * product(axes.map((axis) => axis.output))
  const columnBlock = Math.min(roundUp(columns, 8), COLUMN_BLOCK)
  const columnBlocks = ceilDiv(columns, columnBlock)
  const rowBlock = chooseRowBlock(outChannels, groups * columnBlocks)
  const rowBlocks = ceilDiv(outChannels, rowBlock)
  const panels = ceilDiv(outChannels, 4)

  const weightAxes = collapse(
    axesOf([channels, ...axes.map((axis) => axis.kernel)], [w.strides[1], ...axes.map((axis) => axis.wStride)]),
  )
  while (weightAxes.length < 4) weightAxes.unshift({ extent: 1, strides: [0] })

  const words = [
    dtypeCode(x.dtype),
    groups,
    outChannels,
    channels,
    depth,
    columns,
    rowBlock,
    columnBlock,
    rowBlocks,
    columnBlocks,
    x.strides[0],
    x.strides[1],
    w.strides[0],
    ...weightAxes.flatMap((axis) => [axis.extent, axis.strides[0]]),
    ...axes.flatMap((axis) => [
      axis.input,
      Math.max(1, axis.kernel),
      axis.output,
      axis.stride,
      axis.padLow,
      axis.lhsDilation,
      axis.rhsDilation,
      axis.xStride,
    ]),
  ]
  const multiplyAdds = roundUp(rowBlock, 4) * columnBlock * depth
  return {
    stages: [
      { fn: 'convPack', items: groups * panels, itemNanoseconds: 4 * depth + 20 },
      {
        fn: 'convBlock',
        items: groups * columnBlocks * rowBlocks,
        itemNanoseconds: multiplyAdds / MULTIPLY_ADDS_PER_NANOSECOND + columnBlock * depth + 200,
      },
    ],
    words: Int32Array.from(words),
    sharedBytes: groups * panels * 16 * depth,
    threadBytes:
      128 + columnBlock * RUN_BYTES + MATMUL_K_BLOCK * (4 * columnBlock + 64) + 4 * roundUp(rowBlock, 4) * columnBlock,
  }
}

/** All channels of a group, so that windows are gathered once, unless that leaves too few items to share. */
function chooseRowBlock(outChannels: number, otherItems: number): number {
  const whole = Math.min(outChannels, 512)
  if (otherItems >= 4) return whole
  const parts = Math.min(ceilDiv(4, otherItems), ceilDiv(outChannels, 32))
  return Math.min(whole, roundUp(ceilDiv(outChannels, parts), 4))
}
