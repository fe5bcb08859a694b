/** Groups of rows whose limits are known at run time: group e has rows offsets[e] … offsets[e+1]-1. */
import { minI32 } from './memory'

/** A limit inside 0 … rows that is not below the one before: any numbers give groups that follow each other. */
export function groupLimit(offsets: usize, stride: i32, index: i32, before: i32, rows: i32): i32 {
  const limit = minI32(load<i32>(offsets + ((<usize>(index * stride)) << 2)), rows)
  return limit > before ? limit : before
}

/** Where a search has ended; one for every call, in thread scratch. */
@unmanaged
export class Place {
  /** -1 before the first group, `groups` after the last. */
  group: i32
  /** First row and number of rows of the group. */
  first: i32
  count: i32
  /** Number of the piece in the group. */
  piece: i32
}

/**
 * Finds piece `piece` of all: every group, and the rows before the first and after the last one, are cut into pieces of `size` rows.
 * @returns whether there is one; at most ⌊rows / size⌋ + groups + 2 are
 */
export function findPiece(
  place: Place,
  offsets: usize,
  stride: i32,
  groups: i32,
  rows: i32,
  size: i32,
  piece: i32,
): bool {
  let first = 0
  for (let group = -1; group <= groups; group++) {
    const limit = group == groups ? rows : groupLimit(offsets, stride, group + 1, first, rows)
    const pieces = (limit - first + size - 1) / size
    if (piece < pieces) {
      place.group = group
      place.first = first
      place.count = limit - first
      place.piece = piece
      return true
    }
    piece -= pieces
    first = limit
  }
  return false
}
