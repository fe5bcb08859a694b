/** First values of parameters. Fans are counted as in a linear or convolution weight: shape[0] outputs, the rest inputs. */
import { ArgumentError, type DType, type Tensor, cast, checkOptions, full, random } from '@tarazed/tensor'
import { requireNumber } from './check.js'

/** Draws a parameter of a shape. Values are drawn in f32 and rounded to `dtype`. */
export type Initializer = (key: Tensor, shape: readonly number[], dtype?: DType) => Tensor

/** The same value everywhere; the key is not used. */
export function constant(value: number): Initializer {
  requireNumber('initializers.constant', 'value', value, -Infinity)
  return (_key, shape, dtype = 'f32') => full(shape, value, { dtype })
}

/** 0 everywhere; the key is not used. */
export function zeros(): Initializer {
  return constant(0)
}

/** 1 everywhere; the key is not used. */
export function ones(): Initializer {
  return constant(1)
}

/** Mean 0, the given standard deviation. */
export function normal(options: { readonly std: number }): Initializer {
  const { std } = checkOptions('initializers.normal', options, ['std'], ['std'])
  requireNumber('initializers.normal', 'std', std, 0)
  return (key, shape, dtype = 'f32') => cast(random.normal(key, shape).mul(std), dtype)
}

/** A normal distribution of scale `std` cut at ±2·std (so its deviation is 0.88·std). */
export function truncatedNormal(options: { readonly std: number }): Initializer {
  const { std } = checkOptions('initializers.truncatedNormal', options, ['std'], ['std'])
  requireNumber('initializers.truncatedNormal', 'std', std, 0)
  return (key, shape, dtype = 'f32') => cast(random.truncatedNormal(key, -2, 2, shape).mul(std), dtype)
}

/** Uniform in [-bound, bound). */
export function uniform(options: { readonly bound: number }): Initializer {
  const { bound } = checkOptions('initializers.uniform', options, ['bound'], ['bound'])
  requireNumber('initializers.uniform', 'bound', bound, 0)
  return (key, shape, dtype = 'f32') => cast(random.uniform(key, shape, { min: -bound, max: bound }), dtype)
}

/** Variance 1 / fanIn. */
export function lecunNormal(): Initializer {
  return byFans(normal, ({ fanIn }) => ({ std: Math.sqrt(1 / fanIn) }))
}

/** Variance 2 / (fanIn + fanOut), uniform (Glorot and Bengio 2010). */
export function xavierUniform(): Initializer {
  return byFans(uniform, ({ fanIn, fanOut }) => ({ bound: Math.sqrt(6 / (fanIn + fanOut)) }))
}

/** Variance 2 / (fanIn + fanOut), normal. */
export function xavierNormal(): Initializer {
  return byFans(normal, ({ fanIn, fanOut }) => ({ std: Math.sqrt(2 / (fanIn + fanOut)) }))
}

/** Variance 2 / fanIn, uniform: keeps the scale through relu (arXiv 1502.01852). */
export function kaimingUniform(): Initializer {
  return byFans(uniform, ({ fanIn }) => ({ bound: Math.sqrt(6 / fanIn) }))
}

/** Variance 2 / fanIn, normal. */
export function kaimingNormal(): Initializer {
  return byFans(normal, ({ fanIn }) => ({ std: Math.sqrt(2 / fanIn) }))
}

interface Fans {
  readonly fanIn: number
  readonly fanOut: number
}

function byFans<Options>(
  initializer: (options: Options) => Initializer,
  options: (fans: Fans) => Options,
): Initializer {
  return (key, shape, dtype) => initializer(options(fansOf(shape)))(key, shape, dtype)
}

function fansOf(shape: readonly number[]): Fans {
  if (!Array.isArray(shape) || shape.length < 2 || shape.includes(0))
    throw new ArgumentError(
      `initializer: fans need a shape of at least two axes without 0, got ${Array.isArray(shape) ? `[${shape.join(', ')}]` : typeof shape}; write initializer(key, [outputs, inputs])`,
    )
  return { fanOut: shape[0], fanIn: shape.slice(1).reduce((product, extent) => product * extent, 1) }
}
