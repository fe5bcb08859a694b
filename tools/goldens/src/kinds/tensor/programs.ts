/** The programs of group `transforms`, keyed on operator and text. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { type Attributes } from '../../attributes.js'

export type Inputs = Readonly<Record<string, Tensor>>
export type Results = Readonly<Record<string, Tensor>>
type Program = (inputs: Inputs, attrs: Attributes) => Results

/** x[start:stop:step] on the first axis; null is left out. */
function part(x: Tensor, start: number | null, stop: number | null, step: number | null = null): Tensor {
  return T.slice(x, [[start, stop, step]])
}

function scalarOf(x: Tensor, index: number): Tensor {
  return T.reshape(part(x, index, index + 1), [])
}

/** Value, gradient and Hessian times v of a scalar function of x. */
function secondOrder(loss: (x: Tensor, inputs: Inputs) => Tensor): Program {
  return (inputs) => {
    const f = (x: Tensor): Tensor => loss(x, inputs)
    const [value, grad] = T.valueAndGrad(f)(inputs.x)
    const [, product] = T.jvp(T.grad(f), [inputs.x], [inputs.v])
    return { value, grad, hvp: product }
  }
}

const HVP: Record<string, Program> = {
  'sum(x^4)/4 + sum(x[:-1]*x[1:])': secondOrder((x) =>
    T.add(T.div(T.sum(T.pow(x, 4)), 4), T.sum(T.mul(part(x, null, -1), part(x, 1, null)))),
  ),
  'sum(100*(x[1:]-x[:-1]^2)^2 + (1-x[:-1])^2)': secondOrder((x) => {
    const head = part(x, null, -1)
    const valley = T.square(T.sub(part(x, 1, null), T.square(head)))
    return T.sum(T.add(T.mul(100, valley), T.square(T.sub(1, head))))
  }),
  'logsumexp(A @ x + b)': secondOrder((x, { A, b }) => T.logsumexp(T.add(T.matmul(A, x), b))),
  'mean((tanh(X @ x) @ u - t)^2)': secondOrder((x, { X, u, t }) =>
    T.mean(T.square(T.sub(T.matmul(T.tanh(T.matmul(X, x)), u), t))),
  ),
  'crossEntropy(X @ x, t), mean over rows': secondOrder((x, { X, t }) => T.crossEntropy(T.matmul(X, x), t)),
  'sum(c * gelu(layerNorm(x))), gelu by tanh, layerNorm over the last axis without affine, eps 1e-5': secondOrder(
    (x, { c }) => T.sum(T.mul(c, T.gelu(T.layerNorm(x, null, null, { eps: 1e-5 }), { approximate: 'tanh' }))),
  ),
  'sum(c * (softmax(x @ transpose(K) / sqrt(d)) @ W)), d the last size of x': secondOrder((x, { K, W, c }) => {
    const scores = T.div(T.matmul(x, T.transpose(K)), Math.sqrt(x.shape[x.rank - 1]))
    return T.sum(T.mul(c, T.matmul(T.softmax(scores), W)))
  }),
  'sum(silu(conv2d(X, x))^2)/2, stride 1, no padding': secondOrder((x, { X }) =>
    T.div(T.sum(T.square(T.silu(T.conv2d(X, x)))), 2),
  ),
}

const HESSIAN: Record<string, Program> = {
  'hessian of logsumexp(A @ x) + sum(sin(x)*c)': ({ x, A, c }) => {
    const f = (value: Tensor): Tensor => T.add(T.logsumexp(T.matmul(A, value)), T.sum(T.mul(T.sin(value), c)))
    return { hessian: T.hessian(f as never)(x) as Tensor }
  },
}

const JACOBIAN: Record<string, Program> = {
  'jacobian of softmax(A @ x): rows are outputs; forward and reverse modes must agree': ({ x, A }) => {
    const f = (value: Tensor): Tensor => T.softmax(T.matmul(A, value))
    return { jacobian: T.jacrev(f as never)(x) as Tensor, jacobianForward: T.jacfwd(f as never)(x) as Tensor }
  },
}

/** Primals by name, each with its tangent `<name>Tangent`. */
function forward(names: readonly string[], f: (operands: readonly Tensor[], inputs: Inputs) => Tensor): Program {
  return (inputs) => {
    const primals = names.map((name) => inputs[name])
    const tangents = names.map((name) => inputs[`${name}Tangent`])
    const [out, outTangent] = T.jvp((...operands: Tensor[]) => f(operands, inputs), primals, tangents)
    return { out, outTangent }
  }
}

const JVP: Record<string, Program> = {
  'sin(x) * exp(y), broadcast': forward(['x', 'y'], ([x, y]) => T.mul(T.sin(x), T.exp(y))),
  'x @ y': forward(['x', 'y'], ([x, y]) => T.matmul(x, y)),
  'softmax(x, axis 1)': forward(['x'], ([x]) => T.softmax(x, { axis: 1 })),
  'logsumexp(x, axis 0)': forward(['x'], ([x]) => T.logsumexp(x, { axes: 0 })),
  'layerNorm(x) * w + b, last axis, eps 1e-5': forward(['x', 'w', 'b'], ([x, w, b]) =>
    T.layerNorm(x, w, b, { eps: 1e-5 }),
  ),
  'cumsum(where(x > 0, x*x, 0.1*x), axis 1)': forward(['x'], ([x]) =>
    T.cumsum(T.where(T.greater(x, 0), T.mul(x, x), T.mul(0.1, x)), { axis: 1 }),
  ),
  'sort(x, axis 1)': forward(['x'], ([x]) => T.sort(x, { axis: 1 })),
  'takeAlongAxis(x, ix, axis 1)': forward(['x'], ([x], { ix }) => T.takeAlongAxis(x, ix, { axis: 1 })),
  'conv2d(x, w), stride 2, padding 1': forward(['x', 'w'], ([x, w]) => T.conv2d(x, w, null, { stride: 2, padding: 1 })),
  'max(x, axis 1)': forward(['x'], ([x]) => T.max(x, { axes: 1 })),
}

const VJP: Record<string, Program> = {
  '(x*sin(y), sum(x+y, axis 0)) pulled back with ct0, ct1': ({ x, y, ct0, ct1 }) => {
    const f = (a: Tensor, b: Tensor): [Tensor, Tensor] => [T.mul(a, T.sin(b)), T.sum(T.add(a, b), { axes: 0 })]
    const [[out0, out1], pullback] = T.vjp(f, x, y)
    const [gradX, gradY] = pullback([ct0, ct1])
    return { out0, out1, gradX, gradY }
  },
}

/** The axes stand in the attributes. */
function mapped(names: readonly string[], f: (...operands: Tensor[]) => Tensor): Program {
  return (inputs, attrs) => {
    const inAxes = attrs.value('inAxes') as (number | null)[]
    const outAxes = attrs.number('outAxes')
    return { out: T.vmap(f, { inAxes, outAxes })(...names.map((name) => inputs[name])) }
  }
}

/** x[...,] of one example at the places ix. */
function take(x: Tensor, ix: Tensor): Tensor {
  return T.indexSelect(x, ix, { axis: 0 })
}

const VMAP: Record<string, Program> = {
  'vmap(a @ b), inAxes (0, null)': mapped(['a', 'b'], (a, b) => T.matmul(a, b)),
  'vmap(x * sum(y)), inAxes (1, 0), outAxes 1': mapped(['x', 'y'], (x, y) => T.mul(x, T.sum(y))),
  'gradient for every example: vmap(grad_w(crossEntropy(tanh(x @ w), t))), inAxes (null, 0, 0)': mapped(
    ['w', 'x', 't'],
    (w, x, t) => T.grad((weight: Tensor) => T.crossEntropy(T.tanh(T.matmul(x, weight)), t))(w),
  ),
  'all pairs: vmap over x of vmap over y of sqrt(sum((x-y)^2) + 1e-6)': ({ x, y }) => {
    const distance = (a: Tensor, b: Tensor): Tensor => T.sqrt(T.add(T.sum(T.square(T.sub(a, b))), 1e-6))
    const toAll = (a: Tensor): Tensor => T.vmap((b: Tensor) => distance(a, b))(y)
    return { out: T.vmap(toAll)(x) }
  },
  'vmap(softmax(x, axis 0)), inAxes 0': mapped(['x'], (x) => T.softmax(x, { axis: 0 })),
  'vmap(take(x, ix)), both batched': mapped(['x', 'ix'], take),
  'jacobian of x -> sin(A @ x) as vmap of jvp over the unit vectors; column j is the tangent for unit j (outAxes 1)': ({
    x,
    A,
  }) => {
    const f = (value: Tensor): Tensor => T.sin(T.matmul(A, value))
    const column = (unit: Tensor): Tensor => T.jvp(f, [x], [unit])[1]
    return { out: T.vmap(column, { outAxes: 1 })(T.eye(x.shape[0])) }
  },
  'vmap(where(c, x, cumsum(x))), c and x batched': mapped(['c', 'x'], (c, x) => T.where(c, x, T.cumsum(x))),
}

/** Value and gradient of a scalar function of x. */
function firstOrder(loss: (x: Tensor, inputs: Inputs) => Tensor): Program {
  return (inputs) => {
    const [value, grad] = T.valueAndGrad((x: Tensor) => loss(x, inputs))(inputs.x)
    return { value, grad }
  }
}

const clippedIdentity = T.customVjp(
  (x: Tensor) => x,
  (cotangent) => [T.clip(cotangent, { min: -0.5, max: 0.5 })],
)
const straightThrough = T.customVjp(
  (x: Tensor) => T.round(x),
  (cotangent) => [cotangent],
)
const stableSoftplus = T.customVjp(
  (x: Tensor) => T.log(T.add(1, T.exp(x))),
  (cotangent, [x]) => [T.mul(cotangent, T.sub(1, T.div(1, T.add(1, T.exp(x)))))],
)
const reversedGradient = T.customVjp(
  (x: Tensor) => x,
  (cotangent) => [T.mul(cotangent, -0.3)],
)
const productAndSum = T.customVjp(
  (x: Tensor, y: Tensor): [Tensor, Tensor] => [T.mul(x, y), T.add(x, y)],
  ([c0, c1], [, y]) => [T.add(T.mul(2, T.mul(c0, y)), c1), T.zerosLike(y)],
)

const CUSTOM_RULE: Record<string, Program> = {
  'identity forward; backward clips the incoming gradient to [-0.5, 0.5]; loss = sum(g * f(x*x))': firstOrder(
    (x, { g }) => T.sum(T.mul(g, clippedIdentity(T.mul(x, x)))),
  ),
  'straight-through: forward round(x), backward identity; loss = sum(g * f(3*x))': firstOrder((x, { g }) =>
    T.sum(T.mul(g, straightThrough(T.mul(3, x)))),
  ),
  'f(x) = log(1+exp(x)) with the derivative supplied as 1 - 1/(1+exp(x)); loss = sum(f(x)); large x must give finite gradients':
    firstOrder((x) => T.sum(stableSoftplus(x))),
  'gradient reversal: identity forward, backward times -0.3; loss = sum(g * tanh(f(x)))': firstOrder((x, { g }) =>
    T.sum(T.mul(g, T.tanh(reversedGradient(x)))),
  ),
  'two inputs, two outputs: f(x,y) = (x*y, x+y); supplied backward (c0, c1) -> (2*c0*y + c1, 0); loss = sum(g*(x*y)) + sum(x+y)':
    ({ x, y, g }) => {
      const loss = (a: Tensor, b: Tensor): Tensor => {
        const [product, sum] = productAndSum(a, b)
        return T.add(T.sum(T.mul(g, product)), T.sum(sum))
      }
      const [gradX, gradY] = T.grad(loss, { argnums: [0, 1] })(x, y)
      return { gradX, gradY }
    },
}

const GRAD: Record<string, Program> = {
  'sum(x*x + 3*x + x)': firstOrder((x) => T.sum(T.add(T.add(T.mul(x, x), T.mul(3, x)), x))),
  'sum(x * stopGradient(x))': firstOrder((x) => T.sum(T.mul(x, T.stopGradient(x)))),
  'sum(transpose(x) @ x) + sum(x[::2] * x[1::2][:len])': firstOrder((x) => {
    const even = part(x, null, null, 2)
    const odd = part(x, 1, null, 2)
    const length = Math.min(even.shape[0], odd.shape[0])
    const pairs = T.mul(part(even, null, length), part(odd, null, length))
    return T.add(T.sum(T.matmul(T.transpose(x), x)), T.sum(pairs))
  }),
  'y = x.reshape(-1); sum(y[2:] * y[:-2]) + sum(x, axis 0)[0]^2': firstOrder((x) => {
    const y = T.reshape(x, [-1])
    const first = scalarOf(T.sum(x, { axes: 0 }), 0)
    return T.add(T.sum(T.mul(part(y, 2, null), part(y, null, -2))), T.square(first))
  }),
  'third derivative of sum(sin(x)*exp(x))': ({ x }) => {
    const first = T.grad((a: Tensor) => T.sum(T.mul(T.sin(a), T.exp(a))))
    const second = T.grad((a: Tensor) => T.sum(first(a)))
    return { grad3: T.grad((a: Tensor) => T.sum(second(a)))(x) }
  },
}

/** Programs by operator and text; `checkpoint` has a file of its own. */
export const PROGRAMS: Readonly<Record<string, Readonly<Record<string, Program>>>> = {
  hvp: HVP,
  hessian: HESSIAN,
  jacobian: JACOBIAN,
  jvp: JVP,
  vjp: VJP,
  vmap: VMAP,
  customRule: CUSTOM_RULE,
  grad: GRAD,
}
