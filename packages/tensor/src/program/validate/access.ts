/** What an affine access can reach, and when two accesses touch the same element. */
import type { Access } from '../ir.js'

/**
 * Lowest and highest element of the affine part of an access over a domain; null when the domain is empty.
 * Data-dependent terms are not in it.
 */
export function reach(
  offset: number,
  strides: readonly number[],
  extents: readonly number[],
): { low: number; high: number } | null {
  let low = offset
  let high = offset
  for (let axis = 0; axis < extents.length; axis++) {
    if (extents[axis] === 0) return null
    const span = strides[axis] * (extents[axis] - 1)
    if (span > 0) high += span
    else low += span
  }
  return { low, high }
}

/** Whether both accesses of one step name the same element everywhere in a domain: axes of extent 1 do not count. */
export function sameElement(a: Access, b: Access, extents: readonly number[]): boolean {
  if (a.offset !== b.offset || a.gathered.length !== b.gathered.length) return false
  const sameStrides = extents.every((extent, axis) => extent <= 1 || a.strides[axis] === b.strides[axis])
  const sameTerms = a.gathered.every(
    (term, k) => term.expr === b.gathered[k].expr && term.stride === b.gathered[k].stride,
  )
  return sameStrides && sameTerms
}
