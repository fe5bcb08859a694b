/** Reverse mode: one rule per primitive, in the order of `graph/primitive.ts`. */
import { InternalError } from '../errors.js'
import type { PrimitiveName } from '../graph/primitive.js'
import {
  attentionGradOf,
  castTo,
  dynamicSliceOf,
  groupedMatmulOf,
  matmulOf,
  reshapeTo,
  scatterAddAlong,
  transposeTo,
  updateSliceOf,
} from '../graph/primitives.js'
import type { Tensor } from '../graph/tensor.js'
import { dropWhere, div, expandReduced, keepWhere, mul, neg, sumToShape, zeros } from './arithmetic.js'
import { chosenPart, divideByDenominator, powerByBase, powerByExponent } from './derivatives/binary.js'
import { bodyVjp } from './derivatives/body.js'
import { convInputGradient, convKernelGradient } from './derivatives/conv.js'
import { cumulativeExtremeVjp, cumulativeProductVjp, cumulativeSumVjp } from './derivatives/cumulative.js'
import { customVjpRule } from './derivatives/custom.js'
import { gatherOrZero, unconcat, unpad, unslice, unwindow } from './derivatives/movement.js'
import { extremeVjp, productVjp } from './derivatives/reduce.js'
import { scanVjp } from './derivatives/scan.js'
import { unaryDerivative, type SmoothUnary } from './derivatives/unary.js'
import type { Application, Maybe, VjpRule } from './rules.js'

/** Functions without a derivative: nothing flows through them, so asking is our mistake. */
function none<Op extends PrimitiveName>({ node }: Application<Op>): never {
  throw new InternalError(`vjp: ${node.op} has no derivative`)
}

function unaryRule<Op extends SmoothUnary>(op: Op): VjpRule<Op> {
  return (a, [ct]) => [unaryDerivative(op, ct as Tensor, a.inputs[0], () => a.output(0))]
}

/** Computes a cotangent only where one is asked for. */
function wanted(needs: boolean, make: () => Tensor): Maybe {
  return needs ? make() : null
}

function swapLast(x: Tensor): Tensor {
  const perm = x.shape.map((_, k) => k)
  return transposeTo(x, [...perm.slice(0, -2), x.rank - 1, x.rank - 2])
}

/** The rule of every primitive. A cotangent of an input has its shape and dtype; null where nothing flows. */
export const vjpRules: { readonly [Op in PrimitiveName]: VjpRule<Op> } = {
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

  add: (_, [ct]) => [ct, ct],
  sub: ({ needs }, [ct]) => [ct, wanted(needs[1], () => neg(ct!))],
  mul: ({ inputs: [a, b], needs }, [ct]) => [wanted(needs[0], () => mul(ct!, b)), wanted(needs[1], () => mul(ct!, a))],
  div: ({ inputs: [a, b], needs }, [ct]) => [
    wanted(needs[0], () => div(ct!, b)),
    wanted(needs[1], () => divideByDenominator(ct!, a, b)),
  ],
  pow: ({ inputs: [a, b], needs }, [ct]) => [
    wanted(needs[0], () => powerByBase(ct!, a, b)),
    wanted(needs[1], () => powerByExponent(ct!, a, b)),
  ],
  minimum: ({ inputs: [a, b], needs }, [ct]) => [
    wanted(needs[0], () => chosenPart('minimum', ct!, a, b)),
    wanted(needs[1], () => chosenPart('minimum', ct!, b, a)),
  ],
  maximum: ({ inputs: [a, b], needs }, [ct]) => [
    wanted(needs[0], () => chosenPart('maximum', ct!, a, b)),
    wanted(needs[1], () => chosenPart('maximum', ct!, b, a)),
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
  cast: ({ inputs: [x] }, [ct]) => [castTo(ct!, x.dtype)],
  bitcast: none,
  select: ({ inputs: [cond], needs }, [ct]) => [
    null,
    wanted(needs[1], () => keepWhere(cond, ct!)),
    wanted(needs[2], () => dropWhere(cond, ct!)),
  ],
  threefry: none,
  stopGradient: none,
  barrier: ({ inputs }, [ct]) => [ct, ...inputs.slice(1).map(() => null)],
  alias: (_, [ct]) => [ct],
  custom: customVjpRule,

  reshape: ({ inputs: [x] }, [ct]) => [reshapeTo(ct!, x.shape)],
  transpose: ({ attrs: { perm } }, [ct]) => [
    transposeTo(
      ct!,
      perm.map((_, k) => perm.indexOf(k)),
    ),
  ],
  broadcastTo: ({ inputs: [x] }, [ct]) => [sumToShape(ct!, x.shape)],
  slice: ({ inputs: [x], attrs }, [ct]) => [unslice(ct!, x, attrs)],
  pad: ({ inputs: [x], attrs }, [ct]) => [unpad(ct!, x, attrs)],
  window: ({ inputs: [x], attrs }, [ct]) => [unwindow(ct!, x, attrs)],
  concat: ({ inputs, attrs, needs }, [ct]) => unconcat(ct!, inputs, attrs.axis, needs),
  gather: ({ inputs: [x, index], attrs }, [ct]) => [scatterAddAlong(zeros(x), index, ct!, attrs.axis), null],
  scatterAdd: ({ inputs: [, index], attrs, needs }, [ct]) => [
    ct,
    null,
    wanted(needs[2], () => gatherOrZero(ct!, index, attrs.axis)),
  ],
  dynamicSlice: ({ inputs: [x, ...starts] }, [ct]) => [updateSliceOf(zeros(x), ct!, starts), ...starts.map(() => null)],
  updateSlice: ({ inputs: [, update, ...starts], needs }, [ct]) => [
    wanted(needs[0], () => updateSliceOf(ct!, zeros(update), starts)),
    wanted(needs[1], () => dynamicSliceOf(ct!, starts, update.shape)),
    ...starts.map(() => null),
  ],
  reduce: (a, [ct]) => {
    const [x] = a.inputs
    switch (a.attrs.kind) {
      case 'sum':
        return [expandReduced(ct!, x.shape, a.attrs.axes)]
      case 'prod':
        return [productVjp(ct!, x, a.attrs)]
      case 'max':
      case 'min':
        return [extremeVjp(ct!, x, a.output(0), a.attrs)]
      default:
        throw new InternalError(`vjp: reduce ${a.attrs.kind} has no derivative`)
    }
  },
  matmul: ({ inputs: [a, b], needs }, [ct]) => [
    wanted(needs[0], () => matmulOf(ct!, swapLast(b))),
    wanted(needs[1], () => matmulOf(swapLast(a), ct!)),
  ],
  groupedMatmul: ({ inputs: [a, b, offsets], attrs, needs }, [ct]) =>
    attrs.contract === 'columns'
      ? [
          wanted(needs[0], () => groupedMatmulOf(ct!, swapLast(b), offsets, 'columns')),
          wanted(needs[1], () => groupedMatmulOf(a, ct!, offsets, 'rows')),
          null,
        ]
      : [
          wanted(needs[0], () => groupedMatmulOf(b, swapLast(ct!), offsets, 'columns')),
          wanted(needs[1], () => groupedMatmulOf(a, ct!, offsets, 'columns')),
          null,
        ],
  quantMatmul: (a, cotangents, passes) => {
    if (a.needs.slice(1).some((needed) => needed))
      throw new InternalError('vjp: quantMatmul has no derivative with respect to its packed weight')
    return bodyVjp(a, cotangents, passes)
  },
  groupedQuantMatmul: (a, cotangents, passes) => {
    if (a.needs.slice(1).some((needed) => needed))
      throw new InternalError('vjp: groupedQuantMatmul has no derivative with respect to its packed weight')
    return bodyVjp(a, cotangents, passes)
  },
  conv: ({ inputs: [x, w], attrs, needs }, [ct]) => [
    wanted(needs[0], () => convInputGradient(ct!, x, w, attrs)),
    wanted(needs[1], () => convKernelGradient(ct!, x, w, attrs)),
  ],
  attention: (a, cotangents, passes) => {
    const [dout, dlse] = cotangents
    // The routine knows neither a cotangent of lse nor one for a float mask.
    if (dlse !== null || dout === null || a.needs.slice(3).some((needed) => needed))
      return bodyVjp(a, cotangents, passes)
    const [q, k, v, ...extra] = a.inputs
    const gradients = attentionGradOf([q, k, v, a.output(0), a.output(1), dout], extra, a.attrs)
    return [...gradients.map((gradient, i) => (a.needs[i] ? gradient : null)), ...extra.map(() => null)]
  },
  attentionGrad: (a, cotangents, passes) => bodyVjp(a, cotangents, passes),
  sort: (a, [ct]) => [ct === null ? null : scatterAddAlong(zeros(a.inputs[0]), a.output(1), ct, a.attrs.axis)],
  cumulative: ({ inputs: [x], attrs }, [ct]) => {
    switch (attrs.kind) {
      case 'sum':
        return [cumulativeSumVjp(ct!, attrs)]
      case 'prod':
        return [cumulativeProductVjp(ct!, x, attrs)]
      case 'max':
      case 'min':
        return [cumulativeExtremeVjp(ct!, x, attrs)]
    }
  },
  scan: scanVjp,
}
