/** How close numbers have to be: every tolerance of the tests, each with its reason, and the comparison itself. */
import type { DType } from '../dtype.js'

/** An element passes if |got - want| ≤ atol + rtol·|want|. */
export interface Tolerance {
  readonly rtol: number
  readonly atol: number
}

/** Bit for bit, up to the sign of zero and the payload of NaN. */
export const EXACT: Tolerance = { rtol: 0, atol: 0 }

/**
 * Results of one operator in a dtype, against float64 rounded once.
 * f32: about 80 units in the last place, which a sum of a few hundred terms in f32 needs; the absolute part is for
 * results that cancel. f16, bf16: about two units of 2^-11 and 2^-8, for one rounding on either side of an f32 result.
 */
export const DTYPE_TOLERANCE: Readonly<Record<DType, Tolerance>> = {
  f32: { rtol: 1e-5, atol: 1e-6 },
  f16: { rtol: 2e-3, atol: 1e-4 },
  bf16: { rtol: 1e-2, atol: 1e-3 },
  i32: EXACT,
  u32: EXACT,
  i8: EXACT,
  u8: EXACT,
  bool: EXACT,
}

/** Whole graphs of a dozen operators in f32 against the reference: errors of the parts add up and may be magnified. */
export const GRAPH: Tolerance = { rtol: 2e-4, atol: 2e-5 }

/** float64 backend against a float64 formula: sums of some hundred terms in another order. */
export const FLOAT64: Tolerance = { rtol: 1e-11, atol: 1e-13 }

/**
 * Gradients in float64 against central differences with step 1e-5: the truncation error is of the order of the
 * squared step, cancellation leaves 1e-16/1e-5.
 */
export const FINITE_DIFFERENCES: Tolerance & { readonly step: number } = { rtol: 1e-6, atol: 1e-7, step: 1e-5 }

/** What the tolerances of mathematical functions are multiplied with: GPU libraries round less well. */
export const MATH_FACTOR = { cpu: 1, cuda: 2, webgpu: 4 } as const

/**
 * Largest error of the lowered math functions over all of f32 in units in the last place (sin, cos: |x| ≤ 1000),
 * whether fma rounds once or twice; measured over ten million numbers and rounded up.
 */
export const MATH_ULP = { exp: 1.8, log: 1.3, log1p: 1.8, expm1: 1.7, sin: 3, cos: 3, tanh: 5, erf: 6.2 } as const

/** Relative error of the two functions that have no bound in ulp: Giles' polynomials, and exponents up to 128. */
export const MATH_RELATIVE = { erfInv: 1e-5, pow: 5e-7 } as const

/** `tolerance` with both parts multiplied. */
export function scaled({ rtol, atol }: Tolerance, factor: number): Tolerance {
  return { rtol: rtol * factor, atol: atol * factor }
}

const SMALLEST_NORMAL_EXPONENT = -126
const LARGEST_EXPONENT = 127
const FRACTION_BITS = 23

/** Distance of the f32 numbers next to a value (2^-149 below the normal range). */
export function lastPlace(value: number): number {
  const size = Math.abs(value)
  if (size < 2 ** SMALLEST_NORMAL_EXPONENT) return 2 ** (SMALLEST_NORMAL_EXPONENT - FRACTION_BITS)
  let exponent = Math.floor(Math.log2(size))
  if (2 ** exponent > size) exponent -= 1
  return 2 ** (Math.min(exponent, LARGEST_EXPONENT) - FRACTION_BITS)
}

/** |got - want| in units in the last place of `want`, which may have more digits than f32. NaN equals NaN, an infinity itself. */
export function ulpError(got: number, want: number): number {
  if (Object.is(got, want) || got === want) return 0
  const single = Math.fround(want)
  if (Object.is(got, single)) return Math.abs(got) === Infinity ? 0 : Math.abs(got - want) / lastPlace(want)
  if (!Number.isFinite(got) || !Number.isFinite(single)) return Infinity
  return Math.abs(got - want) / lastPlace(want)
}

/** What `compare` found. */
export interface Comparison {
  readonly passed: boolean
  /** Elements outside of the tolerance. */
  readonly failures: number
  /** Where the error is largest compared with what is allowed; -1 when all elements are equal. */
  readonly worst: number
  /** One line for a failing test. */
  readonly message: string
}

/**
 * Compares two lists of numbers element by element. NaN equals NaN, an infinity equals only the same infinity,
 * -0 equals 0. Lists of different length fail.
 */
export function compare(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: Tolerance): Comparison {
  if (got.length !== want.length)
    return {
      passed: false,
      failures: want.length,
      worst: -1,
      message: `got ${got.length} elements, want ${want.length}`,
    }
  let failures = 0
  let worst = -1
  let worstRatio = 0
  for (let i = 0; i < want.length; i++) {
    const ratio = errorRatio(got[i], want[i], tolerance)
    if (ratio > 1) failures++
    if (ratio > worstRatio) {
      worst = i
      worstRatio = ratio
    }
  }
  return { passed: failures === 0, failures, worst, message: describe(got, want, worst, failures, tolerance) }
}

/** Error over what is allowed: 0 for equal, above 1 for a failure. */
function errorRatio(got: number, want: number, { rtol, atol }: Tolerance): number {
  if (got === want || (Number.isNaN(got) && Number.isNaN(want))) return 0
  if (!Number.isFinite(got) || !Number.isFinite(want)) return Infinity
  const allowed = atol + rtol * Math.abs(want)
  return allowed === 0 ? Infinity : Math.abs(got - want) / allowed
}

function describe(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  worst: number,
  failures: number,
  { rtol, atol }: Tolerance,
): string {
  if (worst < 0) return `${want.length} elements are equal`
  return (
    `${failures} of ${want.length} elements differ by more than ${atol} + ${rtol}·|want|; ` +
    `the worst is element ${worst}: got ${got[worst]}, want ${want[worst]}`
  )
}
