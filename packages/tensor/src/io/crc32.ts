const POLYNOMIAL = 0xedb88320

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1
  return remainder
})

/** CRC-32 of zip files. */
export function crc32(bytes: Uint8Array): number {
  let remainder = 0xffffffff
  for (let k = 0; k < bytes.length; k++) remainder = (remainder >>> 8) ^ TABLE[(remainder ^ bytes[k]) & 0xff]
  return ~remainder >>> 0
}
