/** The vocabulary of benches: rows, bars, and what an engine's process reports. */

/** A process that measures: ours in a variant, or a peer with its defaults. */
export interface Engine {
  /** As shown in the table. */
  readonly name: string
  /** Module under engines/ that does the work. */
  readonly module: 'tarazed' | 'jaxjs' | 'tfjs' | 'ort' | 'tokenizers' | 'transformers'
  readonly options: EngineOptions
  /** Which of its module's measurements it makes, where parts of a bench have engines of their own. Default: that of the bench. */
  readonly measure?: string
}

export interface EngineOptions {
  readonly threads?: number
  readonly relaxedSimd?: boolean
  /** The process is started with relaxed SIMD, for peers that cannot switch it on themselves. */
  readonly startRelaxed?: boolean
}

/** What an engine's process found: one number per case, or why a case could not run. */
export type Measurements = Readonly<Record<string, number | { readonly reason: string }>>

/** Measures the cases of one bench. Lower or higher being better is the bench's business. */
export type Measure = (options: EngineOptions) => Promise<Measurements>

export interface Bar {
  /** As printed: `≥ 1.4× the best peer (relaxed)`. */
  readonly text: string
  /** Whether the row meets it. */
  readonly met: (row: RowFigures) => boolean
}

export interface RowFigures {
  readonly ours: number
  readonly peers: Readonly<Record<string, number>>
  /** Against the best peer; larger is better. */
  readonly ratio: number | null
  /** Share of the ceiling, 0 … 1. */
  readonly share: number | null
}

export interface RowSpec {
  readonly case: string
  readonly unit: string
  readonly better: 'higher' | 'lower'
  /** The engine whose figure is ours in this row. */
  readonly ours: Engine
  readonly peers: readonly Engine[]
  /** Name of a measurement of our own engine, in the row's unit: the best there can be, of which the figure is a share. */
  readonly ceiling?: string
  /** The row's name when the same case appears for several of our engines. */
  readonly label?: string
  readonly bars?: readonly Bar[]
}

export interface Bench {
  readonly name: string
  /** What is measured, in a line. */
  readonly about: string
  /** How often every engine measures; default: as the command says. */
  readonly repeats?: number
  readonly rows: readonly RowSpec[]
}

export interface Row {
  readonly case: string
  readonly unit: string
  readonly ours: number | null
  readonly peers: Readonly<Record<string, number | string>>
  readonly ratio: number | null
  readonly ceiling: number | null
  readonly bar: string | null
  readonly ok: boolean | null
  /** Why there is no figure of ours. */
  readonly reason?: string
}

export interface Result {
  readonly name: string
  readonly machine: string
  readonly rows: readonly Row[]
}

/** Our engine on one thread with relaxed SIMD, on one thread without, and on two threads. */
export const ONE_RELAXED: Engine = {
  name: 'tarazed 1 thread relaxed',
  module: 'tarazed',
  options: { threads: 1, relaxedSimd: true },
}
export const ONE_PLAIN: Engine = {
  name: 'tarazed 1 thread plain',
  module: 'tarazed',
  options: { threads: 1, relaxedSimd: false },
}
export const TWO_RELAXED: Engine = {
  name: 'tarazed 2 threads relaxed',
  module: 'tarazed',
  options: { threads: 2, relaxedSimd: true },
}

/** With Node's default flags: plain SIMD on Node 20, relaxed SIMD on later versions. One thread, since Node has no `Worker`. */
export const JAX_JS: Engine = { name: 'jax-js', module: 'jaxjs', options: {} }
export const JAX_JS_RELAXED: Engine = { name: 'jax-js (relaxed)', module: 'jaxjs', options: { startRelaxed: true } }
export const TFJS: Engine = { name: 'tfjs-wasm', module: 'tfjs', options: { threads: 1 } }
export const ORT_WEB: Engine = { name: 'onnxruntime-web', module: 'ort', options: { threads: 1 } }

/** At least `factor` times the best of the named peers (all when none is named). */
export function atLeast(factor: number, ...peers: readonly string[]): Bar {
  const whom = peers.length === 0 ? 'the best peer' : peers.join(', ')
  return {
    text: `≥ ${factor}× ${whom}`,
    met: ({ ratio, peers: figures }) => {
      if (peers.length === 0) return ratio !== null && ratio >= factor
      return peers.every((peer) => (figures[peer] ?? 0) >= factor)
    },
  }
}

export function atLeastShare(share: number): Bar {
  return {
    text: `≥ ${Math.round(share * 100)} % of the ceiling`,
    met: (row) => row.share !== null && row.share >= share,
  }
}

export function atMost(limit: number, unit: string): Bar {
  return { text: `≤ ${limit} ${unit}`, met: (row) => row.ours <= limit }
}

export function atLeastFigure(limit: number, unit: string): Bar {
  return { text: `≥ ${limit} ${unit}`, met: (row) => row.ours >= limit }
}

/** A figure that is no contest: ours is that of the named peers, up to `limit`. */
export function within(limit: number, ...peers: readonly string[]): Bar {
  return {
    text: `within ${limit} of ${peers.join(', ')}`,
    met: ({ ours, peers: ratios }) =>
      // ratios may stand either way up: near 1 both say the same
      peers.every((peer) => Math.abs(ours * ((ratios[peer] ?? Infinity) - 1)) <= limit),
  }
}
