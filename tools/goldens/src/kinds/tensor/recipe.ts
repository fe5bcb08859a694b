/** Inputs of a million elements, made from integer arithmetic instead of being stored. */
import { IndexError } from '../../stored.js'

const HASH = 'h = imul(i, multiplier) as u32; h ^= h >>> 15; h = imul(h, 0x85ebca6b); h ^= h >>> 13; x[i] = '

/** What stands behind `x[i] =`; the result is rounded to f32. `h` is the hash of the element's number. */
const RECIPES: Readonly<Record<string, (h: number, i: number) => number>> = {
  'x[i] = f32(0.1)': () => 0.1,
  [`${HASH}(h >>> 8) * 2^-24`]: (h) => unit(h),
  [`${HASH}(h >>> 8) * 2^-24, negated where i is odd`]: (h, i) => (i % 2 === 1 ? -unit(h) : unit(h)),
  [`${HASH}(h >>> 8) * 2^-24 * 2^((h & 31) - 16)`]: (h) => unit(h) * 2 ** ((h & 31) - 16),
  [`${HASH}20 * ((h >>> 8) * 2^-24), the product rounded to f32`]: (h) => 20 * unit(h),
}

/** A multiple of 2^-24 in [0, 1): exact in f32. */
function unit(h: number): number {
  return (h >>> 8) * 2 ** -24
}

/**
 * @returns n elements of the recipe
 * @throws IndexError for a recipe that is none of the known ones
 */
export function makeInputs(recipe: string, n: number, multiplier: number): Float32Array {
  if (!Object.hasOwn(RECIPES, recipe)) throw new IndexError(`no runner for the recipe ${recipe}`)
  const element = RECIPES[recipe]
  return Float32Array.from({ length: n }, (_, i) => element(hash(i, multiplier), i))
}

function hash(i: number, multiplier: number): number {
  let h = Math.imul(i, multiplier) >>> 0
  h ^= h >>> 15
  h = Math.imul(h, 0x85ebca6b) >>> 0
  h ^= h >>> 13
  return h >>> 0
}
