/** erf and its inverse in float64. */

/**
 * erf by its Maclaurin series below 3 and the continued fraction of erfc above: relative error around 1e-15.
 * @source Abramowitz and Stegun, 7.1.6 and 7.1.14
 */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN
  const size = Math.abs(x)
  const value = size < 3 ? erfSeries(size) : 1 - erfcFraction(size)
  return x < 0 ? -value : value
}

function erfSeries(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; n < 200 && Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

function erfcFraction(x: number): number {
  if (x > 27) return 0
  let fraction = x
  for (let n = 100; n > 0; n--) fraction = x + n / 2 / fraction
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction)
}

/** The inverse of erf on (-1, 1): a rough start, then Newton steps on whichever of erf and erfc keeps its digits. */
export function erfInv(y: number): number {
  if (!(Math.abs(y) <= 1)) return NaN
  if (Math.abs(y) === 1) return y * Infinity
  if (y === 0) return y
  const size = Math.abs(y)
  let x = roughErfInv(size)
  for (let step = 0; step < 4; step++) {
    const error = x < 3 ? erfSeries(x) - size : 1 - size - erfcFraction(x)
    const slope = (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x)
    const newton = error / slope
    x -= newton / (1 + x * newton)
  }
  return y < 0 ? -x : x
}

/** @source Winitzki, "A handy approximation for the error function and its inverse", 2008 */
function roughErfInv(y: number): number {
  const a = 0.147
  const log = Math.log1p(-y * y)
  const middle = 2 / (Math.PI * a) + log / 2
  return Math.sqrt(Math.sqrt(middle * middle - log / a) - middle)
}
