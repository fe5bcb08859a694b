/** Forward mode: one rule per primitive, in the order of `graph/primitive.ts`. */
import { InternalError } from '../errors.js'
import type { PrimitiveName } from '../graph/primitive.js'
import {
  broadcast,
  castTo,
  concatOf,
  convOf,
  cumulativeOf,
  dynamicSliceOf,
  gatherAlong,
  groupedMatmulOf,
  groupedQuantMatmulOf,
  matmulOf,
  padWith,
  quantMatmulOf,
  reduceOver,
  reshapeTo,
  scatterAddAlong,
  select,
  sliceOf,
  transposeTo,
  updateSliceOf,
  windowOf,
} from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { addMaybe, div, mul, neg, zeros } from './arithmetic.js'
import { chosenPart, divideByDenominator, powerByBase, powerByExponent } from './derivatives/binary.js'
import { bodyJvp } from './derivatives/body.js'
import { cumulativeExtremeJvp, cumulativeProductJvp } from './derivatives/cumulative.js'
import { customJvpRule } from './derivatives/custom.js'
import { gatherOrZero } from './derivatives/movement.js'
import { extremeJvp, productJvp } from './derivatives/reduce.js'
import { scanJvp } from './derivatives/scan.js'
import { unaryDerivative, type SmoothUnary } from './derivatives/unary.js'
import type { Application, JvpRule, Maybe } from './rules.js'

function none<Op extends PrimitiveName>({ node }: Application<Op>): never {
  throw new InternalError(`jvp: ${node.op} has no derivative`)
}

function unaryRule<Op extends SmoothUnary>(op: Op): JvpRule<Op> {
  return (a, [t]) => [unaryDerivative(op, t as Tensor, a.inputs[0], () => a.output(0))]
}

/** A rule on a tangent that may be zero. */
function on(t: Maybe, make: (t: Tensor) => Tensor): Maybe {
  return t === null ? null : make(t)
}

/** The tangents of operands of an operation that needs all of them. */
function filled(tangents: readonly Maybe[], inputs: readonly Tensor[]): Tensor[] {
  return tangents.map((t, k) => t ?? zeros(inputs[k]))
}

/** The rule of every primitive. A tangent of an output has its shape and dtype; null where it is zero. */
export const jvpRules: { readonly [Op in PrimitiveName]: JvpRule<Op> } = {
  neg: unaryRule('neg'),
  abs: unaryRule('abs'),
  sign: none,
  floor: none,
  ceil: none,
  round: none,
  sqrt: unaryRule('sqrt'),
  exp: unaryRule('exp'),
  log: unaryRule('log'),
  log1p: unaryRule('log1p'),
  expm1: unaryRule('expm1'),
  sin: unaryRule('sin'),
  cos: unaryRule('cos'),
  tanh: unaryRule('tanh'),
  erf: unaryRule('erf'),
  erfInv: unaryRule('erfInv'),
  not: none,

  add: (_, [ta, tb]) => [addMaybe(ta, tb)],
  sub: (_, [ta, tb]) => [addMaybe(ta, on(tb, neg))],
  mul: ({ inputs: [a, b] }, [ta, tb]) => [
    addMaybe(
      on(ta, (t) => mul(t, b)),
      on(tb, (t) => mul(t, a)),
    ),
  ],
  div: ({ inputs: [a, b] }, [ta, tb]) => [
    addMaybe(
      on(ta, (t) => div(t, b)),
      on(tb, (t) => divideByDenominator(t, a, b)),
    ),
  ],
  pow: ({ inputs: [a, b] }, [ta, tb]) => [
    addMaybe(
      on(ta, (t) => powerByBase(t, a, b)),
      on(tb, (t) => powerByExponent(t, a, b)),
    ),
  ],
  minimum: ({ inputs: [a, b] }, [ta, tb]) => [
    addMaybe(
      on(ta, (t) => chosenPart('minimum', t, a, b)),
      on(tb, (t) => chosenPart('minimum', t, b, a)),
    ),
  ],
  maximum: ({ inputs: [a, b] }, [ta, tb]) => [
    addMaybe(
      on(ta, (t) => chosenPart('maximum', t, a, b)),
      on(tb, (t) => chosenPart('maximum', t, b, a)),
    ),
  ],
  rem: none,
  and: none,
  or: none,
  xor: none,
  shl: none,
  shr: none,

  eq: none,
  ne: none,
  lt: none,
  le: none,

  placeholder: none,
  scalar: none,
  iota: none,
  cast: ({ attrs }, [t]) => [castTo(t!, attrs.to)],
  bitcast: none,
  select: ({ inputs }, tangents) => {
    const [, a, b] = filled(tangents, inputs)
    return [select(inputs[0], a, b)]
  },
  threefry: none,
  stopGradient: none,
  barrier: (_, [t]) => [t],
  alias: (_, [t]) => [t],
  custom: customJvpRule,

  reshape: ({ attrs }, [t]) => [reshapeTo(t!, attrs.shape)],
  transpose: ({ attrs }, [t]) => [transposeTo(t!, attrs.perm)],
  broadcastTo: ({ attrs }, [t]) => [broadcast(t!, attrs.shape)],
  slice: ({ attrs: { start, size, step } }, [t]) => [sliceOf(t!, start, size, step)],
  pad: ({ attrs: { low, high, interior } }, [t]) => [padWith(t!, low, high, interior, 0)],
  window: ({ attrs }, [t]) => [windowOf(t!, attrs.axis, attrs.size, attrs.stride, attrs.dilation)],
  concat: ({ inputs, attrs }, tangents) => [concatOf(filled(tangents, inputs), attrs.axis)],
  gather: ({ inputs: [, index], attrs }, [t]) => [gatherOrZero(t!, index, attrs.axis)],
  scatterAdd: ({ inputs: [x, index], attrs }, [tx, , tu]) => [
    tu === null ? tx : scatterAddAlong(tx ?? zeros(x), index, tu, attrs.axis),
  ],
  dynamicSlice: ({ inputs: [, ...starts], attrs }, [t]) => [dynamicSliceOf(t!, starts, attrs.size)],
  updateSlice: ({ inputs: [x, update, ...starts] }, [tx, tu]) => [
    updateSliceOf(tx ?? zeros(x), tu ?? zeros(update), starts),
  ],
  reduce: (a, [t]) => {
    const { kind, axes } = a.attrs
    switch (kind) {
      case 'sum':
        return [reduceOver('sum', t!, axes)]
      case 'prod':
        return [productJvp(t!, a.inputs[0], a.attrs)]
      case 'max':
      case 'min':
        return [extremeJvp(t!, a.inputs[0], a.output(0), a.attrs)]
      default:
        return [null]
    }
  },
  matmul: ({ inputs: [a, b] }, [ta, tb]) => [
    addMaybe(
      on(ta, (t) => matmulOf(t, b)),
      on(tb, (t) => matmulOf(a, t)),
    ),
  ],
  groupedMatmul: ({ inputs: [a, b, offsets], attrs: { contract } }, [ta, tb]) => [
    addMaybe(
      on(ta, (t) => groupedMatmulOf(t, b, offsets, contract)),
      on(tb, (t) => groupedMatmulOf(a, t, offsets, contract)),
    ),
  ],
  quantMatmul: ({ inputs: [, ...weight], attrs, needs }, [t]) => {
    if (needs.slice(1).some((needed) => needed))
      throw new InternalError('jvp: quantMatmul has no derivative with respect to its packed weight')
    return [quantMatmulOf(t!, weight, attrs)]
  },
  groupedQuantMatmul: ({ inputs: [, ...rest], attrs, needs }, [t]) => {
    if (needs.slice(1).some((needed) => needed))
      throw new InternalError('jvp: groupedQuantMatmul has no derivative with respect to its packed weight')
    return [groupedQuantMatmulOf(t!, rest.slice(0, -1), rest[rest.length - 1], attrs)]
  },
  conv: ({ inputs: [x, w], attrs }, [tx, tw]) => [
    addMaybe(
      on(tx, (t) => convOf(t, w, attrs)),
      on(tw, (t) => convOf(x, t, attrs)),
    ),
  ],
  attention: bodyJvp,
  attentionGrad: bodyJvp,
  sort: (a, [t]) => [gatherAlong(t!, a.output(1), a.attrs.axis), null],
  cumulative: ({ inputs: [x], attrs }, [t]) => {
    switch (attrs.kind) {
      case 'sum':
        return [cumulativeOf(t!, attrs)]
      case 'prod':
        return [cumulativeProductJvp(t!, x, attrs)]
      case 'max':
      case 'min':
        return [cumulativeExtremeJvp(t!, x, attrs)]
    }
  },
  scan: scanJvp,
}
