/** Growing byte list with the number encodings of the WebAssembly binary format. */

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value >>> 0
  do {
    const low = rest & 0x7f
    rest >>>= 7
    bytes.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return bytes
}

/** A length followed by UTF-8 text. */
export function name(text: string): number[] {
  const bytes = [...new TextEncoder().encode(text)]
  return [...unsigned(bytes.length), ...bytes]
}

const FLOAT = new Float32Array(1)
const FLOAT_BITS = new Int32Array(FLOAT.buffer)

/** Bit pattern of a number rounded to f32. */
export function floatBits(value: number): number {
  FLOAT[0] = value
  return FLOAT_BITS[0]
}

/** Little-endian bytes of a 32-bit word. */
export function word(bits: number): number[] {
  return [bits & 255, (bits >>> 8) & 255, (bits >>> 16) & 255, (bits >>> 24) & 255]
}
