/** Axes: round numbers over a range, and how to write them. */

/** A range of values with the marks that an axis shows. */
export interface Scale {
  readonly least: number
  readonly most: number
  readonly ticks: readonly number[]
}

/** A scale of round numbers that covers some values; at least as wide as its steps are. */
export function scaleOf(values: readonly number[], { zero = false, marks = 5 } = {}): Scale {
  let least = zero ? 0 : Infinity
  let most = zero ? 0 : -Infinity
  for (const value of values) {
    if (!isDrawable(value)) continue
    if (value < least) least = value
    if (value > most) most = value
  }
  if (!Number.isFinite(least)) return { least: 0, most: 1, ticks: [0, 1] }
  const size = Math.max(Math.abs(least), Math.abs(most))
  if (size < 1e-100) [least, most] = [0, 1]
  // closer together than numbers of this size can be told apart on an axis
  else if (most - least < 1e-9 * size) [least, most] = [least - size / 2, most + size / 2]
  const step = roundStep((most - least) / marks)
  const [first, last] = [Math.floor(least / step + 1e-9), Math.ceil(most / step - 1e-9)]
  const ticks = Array.from({ length: last - first + 1 }, (_, k) => (first + k) * step)
  return { least: ticks[0], most: ticks[ticks.length - 1], ticks }
}

/** Whether a value has a place on an axis: not infinite, nor so large that differences of such values are. */
export function isDrawable(value: number): boolean {
  return Math.abs(value) < 1e100
}

/** 1, 2 or 5 times a power of ten, the next one above. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step))
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= step * (1 - 1e-9)) ?? 10
  return factor * power
}

/** A number in few characters: 12,500 → 12.5k, 0.00015 → 1.5e-4. */
export function shortNumber(value: number): string {
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size >= 1e9) return `${trimmed(value / 1e9)}G`
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`
  if (size >= 1e3) return `${trimmed(value / 1e3)}k`
  if (size >= 1e-3) return trimmed(value)
  return value.toExponential(1).replace('.0e', 'e')
}

function trimmed(value: number): string {
  return String(Number(value.toPrecision(4)))
}
