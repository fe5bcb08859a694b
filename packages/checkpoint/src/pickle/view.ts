/** Reads a strided view of a storage as dense row-major elements. */
import { elementCount, layoutOf } from '../dtype.js'
import { type PyTensor } from './values.js'

/** Reads bytes of a storage. */
export type ReadStorage = (offset: number, length: number) => Promise<Uint8Array>

/** A view is gathered from pieces of its storage of this many bytes, so that memory stays bounded. */
const SEGMENT_BYTES = 64 * 2 ** 20

/** Elements `[from, to)` of the view in row-major order. */
export async function readView(tensor: PyTensor, from: number, to: number, read: ReadStorage): Promise<Uint8Array> {
  const { blockBytes } = layoutOf(tensor.storage.dtype)
  if (from >= to) return new Uint8Array(0)
  if (isDense(tensor)) return read((tensor.offset + from) * blockBytes, (to - from) * blockBytes)
  const [first, last] = placesOf(tensor, from, to)
  const out = arrayOf(blockBytes, new Uint8Array((to - from) * blockBytes))
  const step = SEGMENT_BYTES / blockBytes
  for (let start = first; start <= last; start += step) {
    const end = Math.min(last + 1, start + step)
    const segment = arrayOf(blockBytes, await read(start * blockBytes, (end - start) * blockBytes))
    gather(tensor, from, to, segment, start, end, out)
  }
  return new Uint8Array(out.buffer)
}

function isDense({ shape, strides }: PyTensor): boolean {
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false
    expected *= shape[axis]
  }
  return true
}

/** The lowest and highest place in the storage of a run of elements; exact for whole rows of the outermost axis. */
function placesOf(tensor: PyTensor, from: number, to: number): [number, number] {
  const { offset, shape, strides } = tensor
  const rowElements = elementCount(shape.slice(1))
  const low = Math.floor(from / rowElements)
  const high = Math.floor((to - 1) / rowElements)
  const reach = shape.slice(1).reduce((sum, extent, axis) => sum + (extent - 1) * strides[axis + 1], 0)
  return [offset + low * strides[0], offset + high * strides[0] + reach]
}

type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array

function arrayOf(bytes: number, data: Uint8Array): Words {
  const own = data.byteOffset % bytes === 0 ? data : data.slice()
  const { buffer, byteOffset, length } = own
  switch (bytes) {
    case 8:
      return new BigUint64Array(buffer, byteOffset, length / 8)
    case 4:
      return new Uint32Array(buffer, byteOffset, length / 4)
    case 2:
      return new Uint16Array(buffer, byteOffset, length / 2)
    default:
      return own
  }
}

/** Copies the elements that lie in the segment `[start, end)` of the storage. */
function gather(
  { offset, shape, strides }: PyTensor,
  from: number,
  to: number,
  segment: Words,
  start: number,
  end: number,
  out: Words,
): void {
  const index = coordinatesOf(from, shape)
  let place = index.reduce((sum, value, axis) => sum + value * strides[axis], offset)
  for (let element = from; element < to; element++) {
    if (place >= start && place < end) out[element - from] = segment[place - start]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis]
      if (++index[axis] < shape[axis]) break
      place -= shape[axis] * strides[axis]
      index[axis] = 0
    }
  }
}

function coordinatesOf(element: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length).fill(0)
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = element % shape[axis]
    element = Math.floor(element / shape[axis])
  }
  return index
}
