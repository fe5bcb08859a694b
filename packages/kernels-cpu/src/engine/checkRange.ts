/** Reads and writes stay inside their buffer. */
import { ArgumentError, type DeviceBuffer } from '@tarazed/tensor'

/** @throws ArgumentError when `length` bytes from `offset` on are not all in the buffer */
export function checkRange(what: string, buffer: DeviceBuffer, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= buffer.bytes) return
  throw new ArgumentError(
    `${what}: bytes ${offset} … ${offset + length} lie outside the buffer of ${buffer.bytes} bytes`,
  )
}
