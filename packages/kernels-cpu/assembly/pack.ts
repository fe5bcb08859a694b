/** Packing of operands into panels: for every step of the depth, the elements of four or eight lanes side by side. */
import { BF16, F16, F32 } from './memory'
import { load4, loadOne } from './narrow'

/** Writes the transpose of the 4×4 block in the rows r0 … r3: four rows, `pitch` bytes apart. */
function storeTransposed4(to: usize, pitch: usize, r0: v128, r1: v128, r2: v128, r3: v128): void {
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5)
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7)
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5)
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7)
  v128.store(to, v128.shuffle<i64>(low01, low23, 0, 2))
  v128.store(to + pitch, v128.shuffle<i64>(low01, low23, 1, 3))
  v128.store(to + 2 * pitch, v128.shuffle<i64>(high01, high23, 0, 2))
  v128.store(to + 3 * pitch, v128.shuffle<i64>(high01, high23, 1, 3))
}

/** Four whole lanes whose depth is contiguous. */
function packAlongDepth<T>(from: usize, laneBytes: usize, depth: i32, to: usize, pitch: usize): void {
  let l0 = from
  let l1 = from + laneBytes
  let l2 = l1 + laneBytes
  let l3 = l2 + laneBytes
  let step = 0
  for (; step + 4 <= depth; step += 4) {
    storeTransposed4(to, pitch, load4<T>(l0), load4<T>(l1), load4<T>(l2), load4<T>(l3))
    l0 += 4 * sizeof<T>()
    l1 += 4 * sizeof<T>()
    l2 += 4 * sizeof<T>()
    l3 += 4 * sizeof<T>()
    to += 4 * pitch
  }
  for (; step < depth; step++) {
    store<f32>(to, loadOne<T>(l0))
    store<f32>(to, loadOne<T>(l1), 4)
    store<f32>(to, loadOne<T>(l2), 8)
    store<f32>(to, loadOne<T>(l3), 12)
    l0 += sizeof<T>()
    l1 += sizeof<T>()
    l2 += sizeof<T>()
    l3 += sizeof<T>()
    to += pitch
  }
}

/** Any strides, and fewer than four lanes: the missing ones are zero. */
function packSlowly<T>(
  from: usize,
  laneBytes: usize,
  depthBytes: usize,
  lanes: i32,
  depth: i32,
  to: usize,
  pitch: usize,
): void {
  for (let lane = 0; lane < 4; lane++) {
    let source = from + <usize>lane * laneBytes
    let target = to + ((<usize>lane) << 2)
    for (let step = 0; step < depth; step++) {
      store<f32>(target, lane < lanes ? loadOne<T>(source) : 0)
      source += depthBytes
      target += pitch
    }
  }
}

function packFour<T>(
  from: usize,
  laneStride: i32,
  depthStride: i32,
  lanes: i32,
  depth: i32,
  to: usize,
  pitch: usize,
): void {
  const laneBytes = <usize>laneStride * sizeof<T>()
  const depthBytes = <usize>depthStride * sizeof<T>()
  if (lanes >= 4 && laneStride == 1) {
    for (let step = 0; step < depth; step++) {
      v128.store(to, load4<T>(from))
      from += depthBytes
      to += pitch
    }
  } else if (lanes >= 4 && depthStride == 1) {
    packAlongDepth<T>(from, laneBytes, depth, to, pitch)
  } else {
    packSlowly<T>(from, laneBytes, depthBytes, lanes, depth, to, pitch)
  }
}

/** Eight contiguous lanes in one pass, so that a cache line is read once. */
function packEightContiguous<T>(from: usize, depthBytes: usize, depth: i32, to: usize): void {
  for (let step = 0; step < depth; step++) {
    v128.store(to, load4<T>(from))
    v128.store(to, load4<T>(from + 4 * sizeof<T>()), 16)
    from += depthBytes
    to += 32
  }
}

function packPanelOf<T>(
  from: usize,
  laneStride: i32,
  depthStride: i32,
  lanes: i32,
  depth: i32,
  to: usize,
  width: i32,
): void {
  if (width == 8 && lanes >= 8 && laneStride == 1) {
    packEightContiguous<T>(from, <usize>depthStride * sizeof<T>(), depth, to)
    return
  }
  packFour<T>(from, laneStride, depthStride, lanes, depth, to, (<usize>width) << 2)
  if (width == 8) {
    const second = from + 4 * <usize>laneStride * sizeof<T>()
    packFour<T>(second, laneStride, depthStride, lanes - 4, depth, to + 16, 32)
  }
}

/**
 * One panel: to[step][0 … width-1] = from[lane · laneStride + step · depthStride], widened to f32; lanes past `lanes`
 * are zero. Strides are in elements.
 */
export function packPanel(
  dtype: i32,
  from: usize,
  laneStride: i32,
  depthStride: i32,
  lanes: i32,
  depth: i32,
  to: usize,
  width: i32,
): void {
  if (dtype == F32) packPanelOf<f32>(from, laneStride, depthStride, lanes, depth, to, width)
  else if (dtype == F16) packPanelOf<u16>(from, laneStride, depthStride, lanes, depth, to, width)
  else if (dtype == BF16) packPanelOf<i16>(from, laneStride, depthStride, lanes, depth, to, width)
}
