/**
 * One constructor per primitive. Public operators check their arguments and speak the user's language; these only infer
 * shapes and guard against our own mistakes.
 */
import type { DType } from '../dtype.js'
import { InternalError } from '../errors.js'
import { sameShape, showShape } from '../shape.js'
import type {
  AttentionAttrs,
  BinaryName,
  CompareName,
  ConvAttrs,
  CustomRules,
  PrimitiveAttrs,
  QuantMatmulAttrs,
  ReduceName,
  ScanAttrs,
  UnaryName,
} from './primitive.js'
import { createNode, type Tensor } from './tensor.js'

const NONE = Object.freeze({})

function same(op: string, ...operands: Tensor[]): void {
  for (const operand of operands)
    if (!sameShape(operand.shape, operands[0].shape))
      throw new InternalError(`${op}: primitive operands differ, ${operands.map((t) => showShape(t.shape)).join(' ')}`)
}

function sameDType(op: string, ...operands: Tensor[]): void {
  for (const operand of operands)
    if (operand.dtype !== operands[0].dtype)
      throw new InternalError(`${op}: primitive dtypes differ, ${operands.map((t) => t.dtype).join(' ')}`)
}

export function placeholder(shape: readonly number[], dtype: DType): Tensor {
  return createNode('placeholder', [], NONE, [{ shape: [...shape], dtype }])[0]
}

/** Rank 0. */
export function scalarConst(value: number, dtype: DType): Tensor {
  return createNode('scalar', [], { value }, [{ shape: [], dtype }])[0]
}

export function iota(n: number, dtype: 'i32' | 'u32' | 'f32' = 'i32'): Tensor {
  return createNode('iota', [], NONE, [{ shape: [n], dtype }])[0]
}

export function unary(op: UnaryName, x: Tensor): Tensor {
  return createNode(op, [x], NONE, [{ shape: x.shape, dtype: x.dtype }])[0]
}

export function binary(op: BinaryName, a: Tensor, b: Tensor): Tensor {
  same(op, a, b)
  sameDType(op, a, b)
  return createNode(op, [a, b], NONE, [{ shape: a.shape, dtype: a.dtype }])[0]
}

export function compare(op: CompareName, a: Tensor, b: Tensor): Tensor {
  same(op, a, b)
  sameDType(op, a, b)
  return createNode(op, [a, b], NONE, [{ shape: a.shape, dtype: 'bool' }])[0]
}

export function select(cond: Tensor, a: Tensor, b: Tensor): Tensor {
  same('select', cond, a, b)
  sameDType('select', a, b)
  return createNode('select', [cond, a, b], NONE, [{ shape: a.shape, dtype: a.dtype }])[0]
}

export function castTo(x: Tensor, to: DType): Tensor {
  if (x.dtype === to) return x
  return createNode('cast', [x], { to }, [{ shape: x.shape, dtype: to }])[0]
}

export function bitcastTo(x: Tensor, to: 'f32' | 'i32' | 'u32'): Tensor {
  if (x.dtype === to) return x
  return createNode('bitcast', [x], { to }, [{ shape: x.shape, dtype: to }])[0]
}

export function threefryWord(k0: Tensor, k1: Tensor, x0: Tensor, x1: Tensor, word: 0 | 1): Tensor {
  same('threefry', k0, k1, x0, x1)
  return createNode('threefry', [k0, k1, x0, x1], { word }, [{ shape: x0.shape, dtype: 'u32' }])[0]
}

export function stopGradientOf(x: Tensor): Tensor {
  return createNode('stopGradient', [x], NONE, [{ shape: x.shape, dtype: x.dtype }])[0]
}

let nextRegion = 1

/** A fresh region number: barriers of one region belong to one recomputation. */
export function newRegion(): number {
  return nextRegion++
}

export function barrier(x: Tensor, waitsFor: readonly Tensor[], region: number): Tensor {
  return createNode('barrier', [x, ...waitsFor], { region }, [{ shape: x.shape, dtype: x.dtype }])[0]
}

export function aliasOf(x: Tensor, trace: number): Tensor {
  return createNode('alias', [x], { trace }, [{ shape: x.shape, dtype: x.dtype }])[0]
}

/** One output for every body output. */
export function custom(operands: readonly Tensor[], bodyOutputs: readonly Tensor[], rules: CustomRules): Tensor[] {
  return createNode(
    'custom',
    [...operands, ...bodyOutputs],
    { rules, operands: operands.length },
    bodyOutputs.map((t) => ({ shape: t.shape, dtype: t.dtype })),
  )
}

export function reshapeTo(x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x
  return createNode('reshape', [x], { shape: [...shape] }, [{ shape: [...shape], dtype: x.dtype }])[0]
}

export function transposeTo(x: Tensor, perm: readonly number[]): Tensor {
  if (perm.every((axis, k) => axis === k)) return x
  return createNode('transpose', [x], { perm: [...perm] }, [
    { shape: perm.map((axis) => x.shape[axis]), dtype: x.dtype },
  ])[0]
}

/** numpy's rule: leading axes added, sizes 1 grow. */
export function broadcast(x: Tensor, shape: readonly number[]): Tensor {
  if (sameShape(x.shape, shape)) return x
  return createNode('broadcastTo', [x], { shape: [...shape] }, [{ shape: [...shape], dtype: x.dtype }])[0]
}

export function sliceOf(x: Tensor, start: readonly number[], size: readonly number[], step: readonly number[]): Tensor {
  if (sameShape(size, x.shape) && start.every((s) => s === 0) && step.every((s) => s === 1)) return x
  return createNode('slice', [x], { start: [...start], size: [...size], step: [...step] }, [
    { shape: [...size], dtype: x.dtype },
  ])[0]
}

export function padWith(
  x: Tensor,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[],
  value: number,
): Tensor {
  if (low.every((p) => p === 0) && high.every((p) => p === 0) && interior.every((p) => p === 0)) return x
  const shape = x.shape.map((n, k) => low[k] + high[k] + (n === 0 ? 0 : n + (n - 1) * interior[k]))
  return createNode('pad', [x], { low: [...low], high: [...high], interior: [...interior], value }, [
    { shape, dtype: x.dtype },
  ])[0]
}

export function windowOf(x: Tensor, axis: number, size: number, stride: number, dilation: number): Tensor {
  const count = Math.floor((x.shape[axis] - (size - 1) * dilation - 1) / stride) + 1
  const shape = [...x.shape.map((n, k) => (k === axis ? Math.max(0, count) : n)), size]
  return createNode('window', [x], { axis, size, stride, dilation }, [{ shape, dtype: x.dtype }])[0]
}

export function concatOf(parts: readonly Tensor[], axis: number): Tensor {
  if (parts.length === 1) return parts[0]
  sameDType('concat', ...parts)
  const total = parts.reduce((sum, part) => sum + part.shape[axis], 0)
  const shape = parts[0].shape.map((n, k) => (k === axis ? total : n))
  return createNode('concat', [...parts], { axis }, [{ shape, dtype: parts[0].dtype }])[0]
}

export function gatherAlong(x: Tensor, index: Tensor, axis: number): Tensor {
  return createNode('gather', [x, index], { axis }, [{ shape: index.shape, dtype: x.dtype }])[0]
}

export function scatterAddAlong(x: Tensor, index: Tensor, updates: Tensor, axis: number): Tensor {
  same('scatterAdd', index, updates)
  sameDType('scatterAdd', x, updates)
  return createNode('scatterAdd', [x, index, updates], { axis }, [{ shape: x.shape, dtype: x.dtype }])[0]
}

export function dynamicSliceOf(x: Tensor, starts: readonly Tensor[], size: readonly number[]): Tensor {
  return createNode('dynamicSlice', [x, ...starts], { size: [...size] }, [{ shape: [...size], dtype: x.dtype }])[0]
}

export function updateSliceOf(x: Tensor, update: Tensor, starts: readonly Tensor[]): Tensor {
  sameDType('updateSlice', x, update)
  return createNode('updateSlice', [x, update, ...starts], NONE, [{ shape: x.shape, dtype: x.dtype }])[0]
}

/** Axes ascending and distinct. With no axes it is the identity (argMax and argMin excepted). */
export function reduceOver(kind: ReduceName, x: Tensor, axes: readonly number[]): Tensor {
  if (axes.length === 0) return x
  const shape = x.shape.filter((_, k) => !axes.includes(k))
  const dtype = kind === 'argMax' || kind === 'argMin' ? 'i32' : x.dtype
  return createNode('reduce', [x], { kind, axes: [...axes] }, [{ shape, dtype }])[0]
}

/** [Z…, M, K] × [Z…, K, N], batch axes equal. */
export function matmulOf(a: Tensor, b: Tensor): Tensor {
  sameDType('matmul', a, b)
  const rank = a.rank
  if (
    b.rank !== rank ||
    a.shape[rank - 1] !== b.shape[rank - 2] ||
    !sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2))
  )
    throw new InternalError(`matmul: primitive shapes ${showShape(a.shape)} ${showShape(b.shape)}`)
  return createNode('matmul', [a, b], NONE, [
    { shape: [...a.shape.slice(0, -1), b.shape[rank - 1]], dtype: a.dtype },
  ])[0]
}

/** a [N, K] with b [E, K, M] (`columns`) or b [N, M] (`rows`), offsets i32 [E + 1]. */
export function groupedMatmulOf(a: Tensor, b: Tensor, offsets: Tensor, contract: 'columns' | 'rows'): Tensor {
  sameDType('groupedMatmul', a, b)
  const [N, K] = a.shape
  const groups = offsets.shape[0] - 1
  const fits = contract === 'rows' ? b.rank === 2 && b.shape[0] === N : sameShape(b.shape, [groups, K, b.shape[2]])
  if (a.rank !== 2 || offsets.rank !== 1 || offsets.dtype !== 'i32' || !fits)
    throw new InternalError(
      `groupedMatmul: primitive shapes ${[a, b, offsets].map((t) => showShape(t.shape)).join(' ')}, contract ${contract}`,
    )
  const shape = contract === 'rows' ? [groups, K, b.shape[1]] : [N, b.shape[2]]
  return createNode('groupedMatmul', [a, b, offsets], { contract }, [{ shape, dtype: a.dtype }])[0]
}

/** x [M, K], operands as `quant.ts` lays them out. */
export function quantMatmulOf(x: Tensor, weight: readonly Tensor[], attrs: QuantMatmulAttrs): Tensor {
  return createNode('quantMatmul', [x, ...weight], attrs, [
    { shape: [x.shape[0], attrs.outFeatures], dtype: x.dtype },
  ])[0]
}

/** The parts of the weights [E · outFeatures, …] one after the other, offsets i32 [E + 1]. */
export function groupedQuantMatmulOf(
  x: Tensor,
  weight: readonly Tensor[],
  offsets: Tensor,
  attrs: QuantMatmulAttrs,
): Tensor {
  return createNode('groupedQuantMatmul', [x, ...weight, offsets], attrs, [
    { shape: [x.shape[0], attrs.outFeatures], dtype: x.dtype },
  ])[0]
}

/** Size of one spatial axis of a convolution's result (0 when the kernel does not fit). */
export function convExtent(attrs: ConvAttrs, axis: number, input: number, kernel: number): number {
  const dilatedInput = input === 0 ? 0 : (input - 1) * attrs.lhsDilation[axis] + 1
  const dilatedKernel = (kernel - 1) * attrs.rhsDilation[axis] + 1
  const free = dilatedInput + attrs.padLow[axis] + attrs.padHigh[axis] - dilatedKernel
  return free < 0 ? 0 : Math.floor(free / attrs.stride[axis]) + 1
}

export function convOf(x: Tensor, w: Tensor, attrs: ConvAttrs): Tensor {
  sameDType('conv', x, w)
  const spatial = x.shape.slice(2).map((n, k) => convExtent(attrs, k, n, w.shape[k + 2]))
  return createNode('conv', [x, w], attrs, [{ shape: [x.shape[0], w.shape[0], ...spatial], dtype: x.dtype }])[0]
}

/** -> [out, lse] */
export function attentionOf(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  extra: readonly Tensor[],
  attrs: AttentionAttrs,
): Tensor[] {
  const [B, H, T] = q.shape
  return createNode('attention', [q, k, v, ...extra], attrs, [
    { shape: [B, H, T, v.shape[3]], dtype: q.dtype },
    { shape: [B, H, T], dtype: 'f32' },
  ])
}

/** -> [dq, dk, dv] */
export function attentionGradOf(
  operands: readonly Tensor[],
  extra: readonly Tensor[],
  attrs: AttentionAttrs,
): Tensor[] {
  return createNode(
    'attentionGrad',
    [...operands, ...extra],
    attrs,
    operands.slice(0, 3).map((t) => ({ shape: t.shape, dtype: t.dtype })),
  )
}

/** -> [values, order] */
export function sortOf(x: Tensor, axis: number, descending: boolean): Tensor[] {
  return createNode('sort', [x], { axis, descending }, [
    { shape: x.shape, dtype: x.dtype },
    { shape: x.shape, dtype: 'i32' },
  ])
}

export function cumulativeOf(x: Tensor, attrs: PrimitiveAttrs['cumulative']): Tensor {
  return createNode('cumulative', [x], attrs, [{ shape: x.shape, dtype: x.dtype }])[0]
}

/** -> [...final carries, ...stacked] */
export function scanOf(operands: readonly Tensor[], attrs: ScanAttrs): Tensor[] {
  const outputs = attrs.body.outputs.map((t, k) =>
    k < attrs.carries ? { shape: t.shape, dtype: t.dtype } : { shape: [attrs.trips, ...t.shape], dtype: t.dtype },
  )
  return createNode('scan', [...operands], attrs, outputs)
}
