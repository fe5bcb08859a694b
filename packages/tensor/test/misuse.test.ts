/** Every export, called as plain JavaScript would by mistake: no raw TypeError, no internal error, always a way out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as api from '../src/index.js'
import { NONSENSE, outcome, wrongCalls } from './misuse.js'

const {
  InternalError,
  TarazedError,
  Tensor,
  collectGarbage,
  getDefaultBackend,
  openReference,
  random,
  setDefaultBackend,
  tensor,
} = api

type AnyFunction = (...args: unknown[]) => unknown

const x = tensor([
  [1, 2],
  [3, 4],
])
const image = tensor([[[[1, 2], [3, 4]]]]) // prettier-ignore
const index = tensor([0, 1], { dtype: 'i32' })
const key = random.key(0)
const f = (a: unknown): unknown => a
const right = [[x], [x, x], [x, x, x], [image], [x, index], [key], [key, [2]], [f], [f, x], [f, [x]], [[2]], [1]]

/** For the authors of backends and packages: they take programs of the compiler, or literals of the calling code. */
const FOR_BACKENDS = ['explainProgram', 'lowerMath', 'validateProgram', 'checkOptions']

function functionsOf(module: object): [string, AnyFunction][] {
  return Object.entries(module).filter(
    ([name, value]) => typeof value === 'function' && !FOR_BACKENDS.includes(name),
  ) as [string, AnyFunction][]
}

const methods = Object.getOwnPropertyNames(Tensor.prototype)
  .filter((name) => name !== 'constructor' && name !== 'rank' && name !== 'size' && name !== 'dispose')
  .map((name): [string, AnyFunction] => [
    `x.${name}`,
    (...args) => (x as unknown as Record<string, AnyFunction>)[name](...args),
  ])

const all = [
  ...functionsOf(api).filter(([, value]) => !/^class /.test(Function.prototype.toString.call(value))),
  ...functionsOf(random).map(([name, value]): [string, AnyFunction] => [`random.${name}`, value]),
  ...methods,
]

beforeAll(() => setDefaultBackend(openReference()))
afterAll(() => setDefaultBackend(null))

describe('misuse of the public functions', () => {
  it.each(all)('%s throws only errors that teach', async (name, run) => {
    const before = getDefaultBackend()
    const raw: string[] = []
    for (const args of wrongCalls(right)) {
      const error = await outcome(() => run(...args), args)
      if (name === 'setDefaultBackend') setDefaultBackend(before)
      if (error === undefined) continue
      if (!(error instanceof TarazedError) || error instanceof InternalError || !/[;?]/.test(error.message))
        raw.push(`${name}(${args.map(describeArgument).join(', ')}): ${String(error)}`)
    }
    expect([...new Set(raw)].slice(0, 12).join('\n')).toBe('')
  })

  it('covers the exports', () => {
    expect(all.length).toBeGreaterThan(300)
    expect(NONSENSE.length).toBeGreaterThan(15)
    expect(typeof collectGarbage).toBe('function')
  })
})

function describeArgument(value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype}[${value.shape.join()}]`
  if (typeof value === 'function') return 'f'
  return Array.isArray(value)
    ? `[${value.map(describeArgument).join()}]`
    : typeof value === 'object' && value !== null
      ? value.constructor.name
      : String(value)
}

const wrong = (value: unknown): never => value as never
/** A function, or a method of x, without its types. */
const loosely =
  (run: unknown): AnyFunction =>
  (...args) =>
    (run as AnyFunction).apply(x, args)
const logits = tensor([[1, 2, 3]])

/** What a hurried user writes, and what the message must say. */
const rows: [call: () => unknown, name: string, parts: readonly string[]][] = [
  // Options that are unknown, misplaced or missing
  [() => api.sum(x, wrong(1)), 'ArgumentError', ['sum: ', 'got 1', '{ axes: 1 }']],
  [() => x.sum(wrong({ axis: 0 })), 'ArgumentError', ['sum: ', 'axes, keepdims', 'got axis', 'did you mean axes?']],
  [() => x.mean(wrong({ keepdim: true })), 'ArgumentError', ['mean: ', 'did you mean keepdims?']],
  [() => api.softmax(logits, wrong({ axes: 0 })), 'ArgumentError', ['softmax: ', 'did you mean axis?']],
  [() => api.softmax(logits, wrong({ dim: 0 })), 'ArgumentError', ['softmax: ', 'got dim', 'did you mean axis?']],
  [() => api.gelu(x, wrong('tanh')), 'ArgumentError', ['gelu: ', "{ approximate: 'tanh' }"]],
  [() => tensor([1], wrong('f32')), 'ArgumentError', ['tensor: ', "{ dtype: 'f32' }"]],
  [() => tensor([1, 2], wrong([2])), 'ArgumentError', ['tensor: ', '{ shape: [2] }']],
  [() => api.clip(x, wrong(0)), 'ArgumentError', ['clip: ', '{ min: 0 }']],
  [() => api.rope(image, index, wrong({ theta: 1 })), 'ArgumentError', ['rope: ', 'got theta']],
  [
    () => api.crossEntropy(logits, tensor([0], { dtype: 'i32' }), wrong({ label_smoothing: 0 })),
    'ArgumentError',
    ['did you mean labelSmoothing?'],
  ],
  [() => api.maxPool2d(image, wrong(undefined)), 'ArgumentError', ['maxPool2d: ', 'no kernel', '{ kernel: … }']],
  [() => api.maxPool2d(image, wrong({ kernel_size: 2 })), 'ArgumentError', ['did you mean kernel?']],
  [() => api.avgPool2d(image, wrong({ kernel: 2, dilation: 1 })), 'ArgumentError', ['avgPool2d: ', 'got dilation']],
  [() => api.groupNorm(image, null, null, wrong(undefined)), 'ArgumentError', ['groupNorm: ', '{ groups: … }']],
  [() => random.randint(key, [2], wrong(undefined)), 'ArgumentError', ['random.randint: ', '{ min: …, max: … }']],
  [() => random.normal(key, [2], wrong({ std: 1 })), 'ArgumentError', ['random.normal: ', 'got std']],
  [
    () => api.fromBytes(new Uint8Array(4), wrong(undefined)),
    'ArgumentError',
    ['fromBytes: ', '{ shape: …, dtype: … }'],
  ],
  [
    () => api.fromBytes(wrong(new Float32Array(1)), { shape: [1], dtype: 'f32' }),
    'ArgumentError',
    ['got Float32Array', 'new Uint8Array('],
  ],
  [() => api.compile(f, wrong({ donated: [0] })), 'ArgumentError', ['compile: ', 'did you mean donate?']],
  [() => api.compile(f, wrong({ donate: 'params' })), 'ArgumentError', ['compile: ', 'list', '"params"']],
  [() => api.grad(wrong(f), wrong({ argnum: 0 })), 'ArgumentError', ['grad: ', 'did you mean argnums?']],
  [() => api.vmap(f, wrong(0)), 'ArgumentError', ['vmap: ', '{ inAxes: 0 }']],
  [() => openReference(wrong({ float64s: true })), 'ArgumentError', ['openReference: ', 'did you mean float64?']],
  // Lists written as numbers, functions that are none
  [() => x.reshape(wrong(4)), 'ArgumentError', ['reshape: ', 'got 4', 'x.reshape([']],
  [() => loosely(x.transpose)(1, 0), 'ArgumentError', ['transpose: ', 'x.transpose([1, 0])']],
  [() => loosely(x.slice)(0, 1), 'ArgumentError', ['slice: ', 'x.slice([[0, 2], null])']],
  [() => x.slice(wrong([0, 1])), 'ArgumentError', ['slice: ', '[start, stop, step]']],
  [() => api.zeros(wrong(3)), 'ShapeError', ['zeros: ', 'got 3', '[3]']],
  [() => loosely(api.concat)(x, x), 'ArgumentError', ['concat: ', 'list']],
  [() => api.compile(wrong(3)), 'ArgumentError', ['compile: ', 'function', 'got 3']],
  [() => api.grad(wrong(3)), 'ArgumentError', ['grad: ', 'function', 'got 3']],
  [() => api.jvp(wrong(f), wrong(x), wrong(x)), 'ArgumentError', ['jvp: ', 'primals', 'list', '[x]']],
  [() => api.jvp(wrong(f), [x], []), 'ArgumentError', ['jvp: ', 'tangent for each of 1']],
  [() => api.fromNpy(wrong(null)), 'ArgumentError', ['fromNpy: ', 'Uint8Array', 'got null']],
  [() => new (Tensor as unknown as new (data: unknown) => unknown)([1, 2]), 'ArgumentError', ['tensor(data)']],
  // Values where others belong
  [() => api.add(wrong(undefined), x), 'ArgumentError', ['add: ', 'got undefined']],
  [() => api.add(x, wrong(Promise.resolve(1))), 'ArgumentError', ['add: ', 'got Promise', 'await it']],
  [() => api.relu(wrong('text')), 'ArgumentError', ['relu: ', 'got "text"']],
  [() => api.relu(wrong([1, 2])), 'ArgumentError', ['relu: ', 'tensor(…)']],
  [() => setDefaultBackend(wrong({})), 'ArgumentError', ['setDefaultBackend: ', 'got Object', 'openCpu()']],
  [() => setDefaultBackend(wrong(undefined)), 'ArgumentError', ['setDefaultBackend: ', 'got undefined']],
  [() => setDefaultBackend(wrong(Promise.resolve())), 'ArgumentError', ['setDefaultBackend: ', 'promise', 'await']],
  [() => api.flattenTree(Promise.resolve(1)), 'ArgumentError', ['Promise', 'await it']],
  [() => api.flattenTree(cyclic()), 'ArgumentError', ['contain itself']],
  [() => random.normal(wrong(0), [2]), 'ArgumentError', ['random.normal: ', 'random.key(0)']],
  [() => api.relu(wrong({ dtype: 'f32', shape: [2] })), 'ArgumentError', ['another copy of @tarazed/tensor']],
  // More arguments than a method has
  [() => loosely(x.matmul)(x, { transposeB: true }), 'ArgumentError', ['matmul: ', 'one argument', 'got 2', 'Object']],
  [() => loosely(x.relu)({ inplace: true }), 'ArgumentError', ['relu: ', 'nothing', 'got 1']],
  [() => x.cast(wrong('float16')), 'DTypeError', ['cast: ', "did you mean 'f16'?"]],
  [() => tensor([1], { dtype: wrong('bfloat16') }), 'DTypeError', ["did you mean 'bf16'?"]],
  [() => tensor(wrong([x, x])), 'ArgumentError', ['stack(…)']],
  [() => loosely(api.zeros)(2, 3), 'ShapeError', ['zeros: ', '[2]']],
  // Ranges
  [() => api.full([2], wrong('a')), 'ArgumentError', ['full: ', 'got "a"']],
  [() => random.bernoulli(key, 2, [3]), 'ArgumentError', ['random.bernoulli: ', '[0, 1]', 'got 2']],
  [() => tensor([300], { dtype: 'i8' }), 'ArgumentError', ['tensor: ', 'element', 'i8', '[-128, 127]', 'got 300']],
  [() => api.arange(3, wrong('x')), 'ArgumentError', ['arange: ', "{ dtype: 'x' }"]],
  [() => api.layerNorm(x, null, null, { eps: -1 }), 'ArgumentError', ['layerNorm: ', 'eps', 'got -1']],
  [() => api.vmap((a: api.Tensor) => a)(api.scalar(1)), 'ShapeError', ['vmap: ', 'shape []', 'null']],
  [() => api.sort(api.scalar(1)), 'ShapeError', ['sort: ', 'shape []']],
  // JavaScript operators
  [() => wrong(x) + 1, 'ArgumentError', ['x.add(1)']],
  [() => wrong(x) > 0, 'ArgumentError', ['x.greater(0)']],
]

function cyclic(): unknown {
  const parent: Record<string, unknown> = { x, children: [] }
  ;(parent.children as unknown[]).push({ parent }, { parent })
  return parent
}

describe('a mistake of a hurried user', () => {
  it.each(rows.map(([call, name, parts], at) => ({ call, name, parts, source: call.toString().slice(6, 60), at })))(
    'is named with the way out (row $at): $source',
    ({ call, name, parts }) => {
      let error: unknown
      try {
        call()
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(TarazedError)
      const { message } = error as Error
      for (const part of parts) expect(message).toContain(part)
      expect((error as Error).name).toBe(name)
    },
  )

  it('leaves text of tensors to templates and JSON', () => {
    expect(`${api.scalar(1)}`).toBe('f32[] 1')
    expect(JSON.parse(JSON.stringify({ loss: x }))).toEqual({ loss: 'f32[2, 2] (values: await toArray())' })
  })
})
