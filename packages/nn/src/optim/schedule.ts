/**
 * Learning rates over a run, as functions built from tensor operators, so that a compiled step needs no new trace.
 *
 * A schedule is asked with the number n of updates done before the update at hand (0 in the first), or of samples.
 */
import { ArgumentError, Tensor, checkOptions, minimum, scalar, where } from '@tarazed/tensor'
import { requireChoice, requireNumber, requireTensor, shown } from '../check.js'

/** From the count so far (f32 []) to the rate (f32 []). */
export type Schedule = (count: Tensor) => Tensor

/** A learning rate: fixed, computed elsewhere (f32 []), or a schedule. */
export type Rate = number | Tensor | Schedule

/** The rate at a count. */
export function rateAt(rate: Rate, count: Tensor): Tensor {
  if (typeof rate === 'function') return rate(count)
  if (typeof rate !== 'number') requireTensor('rateAt', 'the rate', rate, 'give a number, a tensor or a schedule')
  return typeof rate === 'number' ? scalar(rate) : rate
}

/**
 * A straight line from `init` to `peak` over the first `warmup` counts. Defaults: init 0, warmup 0, an update counts 1.
 */
export interface WarmupOptions {
  /** The highest rate, reached after the warm-up. */
  readonly peak: number
  /** The rate at count 0, when there is a warm-up. */
  readonly init?: number
  /** Counts until the peak. */
  readonly warmup?: number
  /** Give it to count in samples: warmup, total and decay are samples then, and an update is this many. */
  readonly samplesPerStep?: number
}

/** A warm-up, then a way down from `peak` to `end` (default 0), which is reached at count `total`. */
export interface DecayOptions extends WarmupOptions {
  /** The lowest rate, kept from `total` on. */
  readonly end?: number
  /** The count at which the rate has come down; a rank-0 f32 tensor when it is not known ahead. */
  readonly total: number | Tensor
}

const WARMUP = ['peak', 'init', 'warmup', 'samplesPerStep'] as const
const DECAY = [...WARMUP, 'end', 'total'] as const

/** The same rate always. */
export function constant(rate: number): Schedule {
  requireNumber('constant', 'rate', rate, 0)
  return () => scalar(rate)
}

/** After the warm-up, a straight line from peak to end. */
export function linear(options: DecayOptions): Schedule {
  const { end = 0, total, ...warm } = checkOptions('linear', options, DECAY, ['peak', 'total'])
  requireNumber('linear', 'end', end, 0)
  checkTotal('linear', total, warm.warmup ?? 0)
  return withWarmup('linear', warm, (n, w) => between(end, warm.peak, progress(n, w, total).neg().add(1)))
}

/** After the warm-up, half a cosine from peak to end: end + (peak - end) · ½(1 + cos πr). */
export function cosine(options: DecayOptions): Schedule {
  const { end = 0, total, ...warm } = checkOptions('cosine', options, DECAY, ['peak', 'total'])
  requireNumber('cosine', 'end', end, 0)
  checkTotal('cosine', total, warm.warmup ?? 0)
  return withWarmup('cosine', warm, (n, w) => between(end, warm.peak, halfCosine(progress(n, w, total))))
}

/** A warm-up, the peak, and a way down over the last `decay` counts. Default shape: linear. */
export interface WsdOptions extends DecayOptions {
  /** How many counts before `total` the decay begins. */
  readonly decay: number
  /** The way down over r in [0, 1]: 1 - r, ½(1 + cos πr), 2·½ʳ - 1, or 1 - √r. */
  readonly shape?: 'linear' | 'cosine' | 'exponential' | 'minusSqrt'
}

/** Warm-up, stable, decay: the peak until `total - decay`, then down to end. */
export function wsd(options: WsdOptions): Schedule {
  const {
    end = 0,
    total,
    decay,
    shape = 'linear',
    ...warm
  } = checkOptions('wsd', options, [...DECAY, 'decay', 'shape'], ['peak', 'total', 'decay'])
  requireNumber('wsd', 'end', end, 0)
  requireNumber('wsd', 'decay', decay, 0)
  requireChoice('wsd', 'shape', shape, ['linear', 'cosine', 'exponential', 'minusSqrt'])
  checkTotal('wsd', total, (warm.warmup ?? 0) + decay)
  const start = typeof total === 'number' ? total - decay : total.sub(decay)
  return withWarmup('wsd', warm, (n) => between(end, warm.peak, wayDown(progress(n, start, total), shape)))
}

/** After the warm-up, max(end, peak·√warmup/√n). */
export function inverseSqrt(options: WarmupOptions & { readonly end?: number }): Schedule {
  const { end = 0, ...warm } = checkOptions('inverseSqrt', options, [...WARMUP, 'end'], ['peak'])
  requireNumber('inverseSqrt', 'end', end, 0)
  return withWarmup('inverseSqrt', warm, (n, w) =>
    n
      .maximum(Math.max(w, 1))
      .rsqrt()
      .mul(warm.peak * Math.sqrt(Math.max(w, 1)))
      .maximum(end),
  )
}

/** init + (peak - init)·n/warmup while n < warmup, `after(n, warmup)` from then on. */
function withWarmup(
  name: string,
  { peak, init = 0, warmup = 0, samplesPerStep = 1 }: WarmupOptions,
  after: (n: Tensor, warmup: number) => Tensor,
): Schedule {
  requireNumber(name, 'peak', peak, 0)
  requireNumber(name, 'init', init, 0)
  requireNumber(name, 'warmup', warmup, 0)
  if (typeof samplesPerStep !== 'number' || !(samplesPerStep > 0))
    throw new ArgumentError(
      `${name}: samplesPerStep is positive, got ${shown(samplesPerStep)}; give the size of a batch`,
    )
  return (count) => {
    requireTensor(name, 'the count', count, 'write scalar(count)')
    const n = samplesPerStep === 1 ? count : count.mul(samplesPerStep)
    if (warmup === 0) return after(n, 0)
    const rising = n.mul((peak - init) / warmup).add(init)
    return where(n.less(warmup), rising, after(n, warmup))
  }
}

const LEAST_SPAN = 1e-6

/** How far n is from `start` to `total`, cut to [0, 1]. */
function progress(n: Tensor, start: number | Tensor, total: number | Tensor): Tensor {
  // a total that is known only at run time may lie before the start: then the rate is at its end at once, not NaN
  const span =
    typeof total === 'number' && typeof start === 'number' ? total - start : minus(total, start).maximum(LEAST_SPAN)
  return minimum(n.sub(start).div(span), 1).maximum(0)
}

function minus(a: number | Tensor, b: number | Tensor): Tensor {
  return typeof a === 'number' ? (b as Tensor).neg().add(a) : a.sub(b)
}

function between(low: number, high: number, share: Tensor): Tensor {
  return share.mul(high - low).add(low)
}

function halfCosine(r: Tensor): Tensor {
  return r.mul(Math.PI).cos().add(1).mul(0.5)
}

function wayDown(r: Tensor, shape: NonNullable<WsdOptions['shape']>): Tensor {
  switch (shape) {
    case 'linear':
      return r.neg().add(1)
    case 'cosine':
      return halfCosine(r)
    case 'exponential':
      return r.mul(-Math.LN2).exp().mul(2).sub(1)
    case 'minusSqrt':
      return r.sqrt().neg().add(1)
  }
}

function checkTotal(name: string, total: number | Tensor, least: number): void {
  if (!(total instanceof Tensor || (typeof total === 'number' && total > least)))
    throw new ArgumentError(
      `${name}: total counts the whole run, so it is more than ${least}, got ${shown(total)}; give the number of updates`,
    )
}
