/** Every export, called as plain JavaScript would by mistake: no raw TypeError, no internal error, always a way out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  InternalError,
  TarazedError,
  Tensor,
  openReference,
  random,
  scalar,
  setDefaultBackend,
  tensor,
} from '@tarazed/tensor'
import * as nn from '../src/index.js'
import * as optim from '../src/optim/index.js'

type AnyFunction = (...args: unknown[]) => unknown

const key = random.key(0)
const x = tensor([[1, 2], [3, 4]]) // prettier-ignore
const params = { w: x }

const NONSENSE: readonly unknown[] = [
  undefined,
  null,
  'text',
  7,
  -1,
  Number.NaN,
  true,
  Symbol('s'),
  Promise.resolve(1),
  {},
  { nonsense: 1 },
  [],
  [null],
  new Map(),
  () => 1,
]

const linear = nn.Linear.init({ inFeatures: 2, outFeatures: 2, key })
const layers: Record<string, object> = {
  Linear: linear,
  Embedding: nn.Embedding.init({ numEmbeddings: 2, features: 2, key }),
  Conv2d: nn.Conv2d.init({ inChannels: 1, outChannels: 1, kernel: 2, key }),
  Dropout: new nn.Dropout(0.5),
  LayerNorm: nn.LayerNorm.init({ features: 2 }),
  RMSNorm: nn.RMSNorm.init({ features: 2 }),
  GroupNorm: nn.GroupNorm.init({ groups: 1, channels: 2 }),
  SelfAttention: nn.SelfAttention.init({ features: 4, heads: 2, key }),
  SwiGLU: nn.SwiGLU.init({ features: 2, hidden: 2, key }),
}

const isClass = (value: AnyFunction): boolean => /^class /.test(Function.prototype.toString.call(value))
const functions = (module: object): [string, AnyFunction][] =>
  Object.entries(module).filter(([, value]) => typeof value === 'function') as [string, AnyFunction][]
const bare = (module: object): [string, AnyFunction][] => functions(module).filter(([, value]) => !isClass(value))

/** Constructors, `init`, and the methods of a layer with first values. */
function callsOfClass([name, Class]: [string, AnyFunction]): [string, AnyFunction][] {
  const make = Class as unknown as (new (...args: unknown[]) => unknown) & { init?: AnyFunction }
  const layer = layers[name] as Record<string, AnyFunction> | undefined
  const methods =
    layer === undefined
      ? []
      : ['forward', 'with', 'attend', 'forwardCached'].filter((method) => typeof layer[method] === 'function')
  return [
    [`new ${name}`, (...args) => new make(...args)],
    ...(make.init === undefined
      ? []
      : ([[`${name}.init`, (...args) => make.init?.(...args)]] as [string, AnyFunction][])),
    ...methods.map((method): [string, AnyFunction] => [`${name}.${method}`, (...args) => layer?.[method](...args)]),
  ]
}

/** Functions that functions give: of optimisers, schedules and initializers. */
const made: [string, AnyFunction][] = [
  ...['adam', 'adamw', 'adafactor', 'lion', 'muon'].flatMap((name): [string, AnyFunction][] => {
    const optimizer = (optim as unknown as Record<string, () => optim.Optimizer>)[name]()
    return [
      [`${name}.init`, optimizer.init as AnyFunction],
      [`${name}.update`, optimizer.update as AnyFunction],
    ]
  }),
  ['cosine schedule', optim.cosine({ peak: 1, total: 10, warmup: 2 }) as AnyFunction],
  ['xavierUniform initializer', nn.initializers.xavierUniform() as unknown as AnyFunction],
  ['normal initializer', nn.initializers.normal({ std: 1 }) as unknown as AnyFunction],
]

/** Abstract, and errors: nobody makes them by hand. */
const LEFT_OUT = ['Module', 'WeightsError']

const all = [
  ...bare(nn),
  ...bare(optim).map(([name, run]): [string, AnyFunction] => [`optim.${name}`, run]),
  ...bare(nn.initializers).map(([name, run]): [string, AnyFunction] => [`initializers.${name}`, run]),
  ...functions(nn)
    .filter(([name, value]) => isClass(value) && !LEFT_OUT.includes(name))
    .flatMap(callsOfClass),
  ...made,
]

const right = [
  [],
  [x],
  [x, x],
  [key],
  [key, [2]],
  [params],
  [params, params],
  [() => x],
  [() => x, params],
  [scalar(1)],
]

beforeAll(() => setDefaultBackend(openReference()))
afterAll(() => setDefaultBackend(null))

async function failure(call: () => unknown): Promise<unknown> {
  try {
    await call()
    return undefined
  } catch (error) {
    return error
  }
}

function text(value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype}[${value.shape.join()}]`
  if (Array.isArray(value)) return `[${value.map(text).join()}]`
  return typeof value === 'object' && value !== null ? value.constructor.name : String(value)
}

describe('misuse of the public functions', () => {
  it.each(all)('%s throws only errors that teach', async (name, run) => {
    const raw: string[] = []
    for (const before of right)
      for (const value of NONSENSE)
        for (const args of [[...before, value], [...before, value, value], before]) {
          const error = await failure(() => run(...args))
          const teaches =
            error instanceof TarazedError && !(error instanceof InternalError) && /[;?]/.test(error.message)
          if (error !== undefined && !teaches) raw.push(`${name}(${args.map(text).join(', ')}): ${String(error)}`)
        }
    expect([...new Set(raw)].slice(0, 8).join('\n')).toBe('')
  })
})

const wrong = (value: unknown): never => value as never
const flat = tensor([1, 2])

const rows: [call: () => unknown, parts: readonly string[]][] = [
  [() => nn.Linear.init(wrong(undefined)), ['Linear.init: ', 'inFeatures, outFeatures, key', 'got no inFeatures']],
  [() => nn.Linear.init(wrong({ inFeatures: 2, outFeatures: 2 })), ['got no key']],
  [() => nn.Linear.init(wrong({ inFeatures: 2, outFeatures: 2, key, use_bias: false })), ['got use_bias', 'bias']],
  [() => nn.Linear.init({ inFeatures: 2.5, outFeatures: 2, key }), ['inFeatures', 'whole number', '2.5']],
  [
    () => nn.Linear.init({ inFeatures: 2, outFeatures: 2, key, weightInit: wrong(nn.initializers.xavierUniform) }),
    ['Linear.init: ', 'weightInit', 'call it first'],
  ],
  [() => nn.Linear.init(wrong(2)), ['{ inFeatures: …, outFeatures: …, key: … }']],
  [() => new nn.Linear(wrong(2), wrong(2)), ['Linear: ', 'Linear.init({ … })']],
  [() => nn.SelfAttention.init(wrong({ features: 8, heads: 2, key, kv_heads: 1 })), ['did you mean kvHeads?']],
  [() => nn.GroupNorm.init({ groups: 3, channels: 4 }), ['GroupNorm.init: ', '3 and 4']],
  [() => new nn.Dropout(wrong({ rate: 0.5 })), ['Dropout: ', '[0, 1)', 'got Object']],
  [() => new nn.Dropout(1), ['Dropout: ', 'got 1']],
  [() => new nn.Dropout(0.5).forward(x, wrong(key)), ['Dropout.forward: ', 'u32[2]', '{ key: … }']],
  [() => nn.kvCache({ batch: 1, kvHeads: 2, headDim: 4, capacity: 0 }), ['kvCache: ', 'capacity', 'got 0']],
  [() => nn.mse(x, flat), ['mse: ', 'f32[2, 2] and f32[2]', 'reshape']],
  [() => nn.mae(x, tensor([[1], [2]])), ['mae: ', 'f32[2, 1]']],
  [() => nn.huber(x, x, wrong({ beta: 1 })), ['huber: ', 'got beta']],
  [() => nn.binaryCrossEntropy(x, wrong(1)), ['binaryCrossEntropy: ', 'target', 'got 1']],
  [() => nn.mse(x, x, wrong('sum')), ["{ reduction: 'sum' }"]],
  [() => optim.adamw({ lr: -1 }), ['adamw: ', 'lr', 'got -1']],
  [() => optim.adamw(wrong({ learningRate: 1 })), ['did you mean lr?']],
  [() => optim.adamw(wrong({ weight_decay: 1 })), ['did you mean weightDecay?']],
  [() => optim.adamw(wrong(1e-3)), ['adamw: ', '{ lr: 0.001 }']],
  [() => optim.adamw({ betas: [0.9, 1] }), ['betas', '[0, 1)', 'got 1']],
  [() => optim.adam(wrong({ betas: 0.9 })), ['betas', 'two numbers']],
  [() => optim.sgd(wrong({})), ['sgd: ', 'got no lr']],
  [() => optim.sgd({ lr: 1, momentum: -1 }), ['momentum', 'got -1']],
  [() => optim.cosine(wrong({ peak: 1 })), ['cosine: ', 'got no total']],
  [() => optim.wsd(wrong({ peak: 1, total: 10, decay: 2, shape: 'cos' })), ['wsd: ', 'minusSqrt', 'got "cos"']],
  [() => optim.cosine(wrong({ peak: 1, total: 10, warmupSteps: 2 })), ['did you mean warmup?']],
  [() => optim.ema({ decay: 1 }), ['ema: ', '[0, 1)']],
  [() => optim.clipByGlobalNorm(params, wrong({ maxNorm: 1 })), ['clipByGlobalNorm: ', 'got Object']],
  [() => optim.adamw().update(params, params, wrong(undefined)), ['adamw.update: ', 'init(params)']],
  [() => nn.initializers.normal(wrong(0.02)), ['initializers.normal: ', '{ std: 0.02 }']],
  [() => linear.with(wrong(null)), ['withParameters: ', 'got null']],
]

describe('a mistake of a hurried user', () => {
  it.each(rows.map(([call, parts], at) => ({ call, parts, at, source: call.toString().slice(6, 70) })))(
    'is named with the way out (row $at): $source',
    ({ call, parts }) => {
      let error: unknown
      try {
        call()
      } catch (thrown) {
        error = thrown
      }
      expect(error).toBeInstanceOf(TarazedError)
      for (const part of parts) expect((error as Error).message).toContain(part)
    },
  )
})
