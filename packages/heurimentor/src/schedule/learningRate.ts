/**
 * The learning rate as a function of consumed samples: so that ramp-up, resizing and resuming never distort it.
 *
 * Plain double-precision functions; the rate enters a compiled step as a run-time scalar.
 * @source Megatron-LM, optimizer_param_scheduler.py; the scripts of Aquila2 (FlagScale v0.2)
 */
import { ConfigError, checkChoice, checkCount, checkNumber, checkOptions } from '../errors.js'

/** How the rate goes on after the warm-up. */
export type LearningRateStyle = 'constant' | 'linear' | 'cosine' | 'inverse-square-root' | 'WSD'

/** How the rate comes down at the end of `WSD`, over q in [0, 1]: 1 - q, ½(1 + cos πq), 2·½^q - 1, 1 - √q. */
export type WsdStyle = 'linear' | 'cosine' | 'exponential' | 'minus_sqrt'

/** A learning rate over a run. Counts are samples. Plain JSON: it is part of `run.json`. */
export interface LearningRatePlan {
  readonly style: LearningRateStyle
  /** The rate after the warm-up. */
  readonly maxLr: number
  /** The lowest rate, kept from `decay` on. Default 0. */
  readonly minLr?: number
  /** The rate at sample 0, when there is a warm-up. Default 0. */
  readonly initLr?: number
  /** Samples until `maxLr`. Default 0. */
  readonly warmup?: number
  /** The sample at which the rate has come down. Default: all samples of the run. */
  readonly decay?: number
  /** WSD: how many samples before `decay` the way down begins. */
  readonly wsdDecay?: number
  /** WSD: the shape of the way down. Default exponential, as in Megatron-LM. */
  readonly wsdStyle?: WsdStyle
  /** Changes by hand, in the order of `at`. */
  readonly events?: readonly LearningRateEvent[]
}

/**
 * A change of the rate at a plateau. With `maxLr` the schedule has another maximum from sample `at` on; with `rewarm` the
 * rate climbs over so many samples from 0 to where the schedule is then.
 */
export type LearningRateEvent =
  { readonly at: number; readonly maxLr: number } | { readonly at: number; readonly rewarm: number }

const STYLES = ['constant', 'linear', 'cosine', 'inverse-square-root', 'WSD'] as const
const WSD_STYLES = ['linear', 'cosine', 'exponential', 'minus_sqrt'] as const
const KEYS = ['style', 'maxLr', 'minLr', 'initLr', 'warmup', 'decay', 'wsdDecay', 'wsdStyle', 'events']

/** A plan whose defaults are filled in. `decay` Infinity: the end of the run is not known yet. */
export type FilledLearningRatePlan = Required<LearningRatePlan>

/**
 * Fills in the defaults.
 *
 * @param samples all samples of the run: the default of `decay`; null while it is not known
 * @throws ConfigError when the plan makes no sense
 */
export function fillLearningRatePlan(plan: LearningRatePlan, samples: number | null): FilledLearningRatePlan {
  checkOptions('learningRate', plan, KEYS)
  const { style, maxLr, minLr = 0, initLr = 0, warmup = 0, wsdStyle = 'exponential', events = [] } = plan
  const decay = plan.decay ?? samples ?? Infinity
  const wsdDecay = plan.wsdDecay ?? 0
  checkChoice('learningRate: style', style, STYLES)
  checkChoice('learningRate: wsdStyle', wsdStyle, WSD_STYLES)
  checkNumber('learningRate: maxLr', maxLr, 0)
  checkNumber('learningRate: minLr', minLr, 0)
  checkNumber('learningRate: initLr', initLr, 0)
  checkCount('learningRate: warmup', warmup)
  if (decay !== Infinity) checkCount('learningRate: decay', decay)
  checkCount('learningRate: wsdDecay', wsdDecay)
  if (minLr > maxLr) throw new ConfigError(`learningRate: minLr must be at most maxLr, got ${minLr} > ${maxLr}`)
  const comesDown = style === 'linear' || style === 'cosine' || style === 'WSD'
  if (comesDown && warmup >= decay)
    throw new ConfigError(
      `learningRate: warmup must be less than decay, got ${warmup} and ${decay}; shorten the warm-up, or train on more samples`,
    )
  if (style === 'WSD' && !(wsdDecay > 0 && wsdDecay <= decay - warmup))
    throw new ConfigError(
      `learningRate: wsdDecay must be at least 1 and at most decay - warmup, got ${wsdDecay} of ${decay - warmup}`,
    )
  checkEvents(events)
  return { style, maxLr, minLr, initLr, warmup, decay, wsdDecay, wsdStyle, events }
}

function checkEvents(events: readonly LearningRateEvent[]): void {
  if (!Array.isArray(events))
    throw new ConfigError('learningRate: events must be a list of { at, maxLr } or { at, rewarm }')
  events.forEach((event: LearningRateEvent, k) => {
    checkOptions(`learningRate: events[${k}]`, event, ['at', 'maxLr', 'rewarm'])
    checkCount(`learningRate: events[${k}].at`, event.at, k === 0 ? 0 : events[k - 1].at)
    if ('maxLr' in event === 'rewarm' in event)
      throw new ConfigError(`learningRate: events[${k}] must have either maxLr or rewarm`)
    if ('maxLr' in event) checkNumber(`learningRate: events[${k}].maxLr`, event.maxLr, 0)
    else checkCount(`learningRate: events[${k}].rewarm`, event.rewarm, 1)
  })
}

/**
 * The learning rate of the update at `n` consumed samples (those of skipped steps not counted).
 *
 * n ≤ warmup: initLr + (maxLr - initLr)·n/warmup. Then, with r = (n - warmup)/(decay - warmup): `constant` maxLr; `linear`
 * and `cosine` minLr + (maxLr - minLr)·c with c = 1 - r or ½(1 + cos πr); `inverse-square-root` max(minLr, maxLr·√warmup/√n);
 * `WSD` maxLr until decay - wsdDecay, then down in the shape of `wsdStyle`. Beyond `decay` minLr, except `constant`.
 *
 * @throws ConfigError when `n` is no number of samples
 */
export function learningRateAt(plan: FilledLearningRatePlan, n: number): number {
  checkNumber('learningRateAt: samples', n, 0)
  let current = plan
  let climb = 1
  for (const event of plan.events) {
    if (event.at > n) break
    if ('maxLr' in event) current = { ...current, maxLr: event.maxLr, minLr: Math.min(current.minLr, event.maxLr) }
    else climb = Math.min(1, (n - event.at) / event.rewarm)
  }
  return climb * scheduled(current, n)
}

function scheduled(plan: FilledLearningRatePlan, n: number): number {
  const { style, maxLr, minLr, initLr, warmup, decay, wsdDecay, wsdStyle } = plan
  if (warmup > 0 && n <= warmup) return initLr + ((maxLr - initLr) * n) / warmup
  if (style === 'constant') return maxLr
  if (n > decay) return minLr
  const between = (share: number) => minLr + (maxLr - minLr) * share
  switch (style) {
    case 'linear':
      return between(1 - progress(n, warmup, decay))
    case 'cosine':
      return between(halfCosine(progress(n, warmup, decay)))
    case 'inverse-square-root':
      return Math.max(minLr, (maxLr * Math.sqrt(Math.max(warmup, 1))) / Math.sqrt(Math.max(n, 1)))
    case 'WSD':
      return n <= decay - wsdDecay ? maxLr : between(wayDown(progress(n, decay - wsdDecay, decay), wsdStyle))
    default:
      return style satisfies never
  }
}

/** How far n is from `from` to `to`. A `to` that is not known yet is infinitely far. */
function progress(n: number, from: number, to: number): number {
  return (n - from) / (to - from)
}

function halfCosine(r: number): number {
  return 0.5 * (1 + Math.cos(Math.PI * r))
}

function wayDown(q: number, style: WsdStyle): number {
  switch (style) {
    case 'linear':
      return 1 - q
    case 'cosine':
      return halfCosine(q)
    case 'exponential':
      return 2 * 0.5 ** q - 1
    case 'minus_sqrt':
      return 1 - Math.sqrt(q)
    default:
      return style satisfies never
  }
}
