/** A cursor over the bytes of a pickle that never leaves them. */
import { CheckpointError, quoted } from '../errors.js'

/** Longest line of the text opcodes, such as a name or a number. */
const MOST_LINE_BYTES = 4096

/** Integers of more bytes have no use in checkpoints, and are slow to read. */
const MOST_INTEGER_BYTES = 1024

/** Reads the arguments of opcodes, in order. */
export class PickleReader {
  readonly #file: string
  readonly #bytes: Uint8Array
  readonly #view: DataView
  /** The next byte. */
  at = 0

  constructor(file: string, bytes: Uint8Array) {
    this.#file = file
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The next `length` bytes, not copied. */
  bytes(length: number): Uint8Array {
    const start = this.at
    if (!(length <= this.#bytes.length - start)) this.#fail(`${length} bytes must follow`, 'the end of the pickle')
    this.at += length
    return this.#bytes.subarray(start, this.at)
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true)
  }

  i32(): number {
    return this.#view.getInt32(this.#skip(4), true)
  }

  /** A length; beyond 2⁵³ it is rounded, which is past any end anyway. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true))
  }

  /** Big-endian, unlike everything else. */
  f64(): number {
    return this.#view.getFloat64(this.#skip(8), false)
  }

  /** A signed little-endian integer of any length. */
  integer(length: number): number | bigint {
    if (length > MOST_INTEGER_BYTES) this.#fail(`integers may have ${MOST_INTEGER_BYTES} bytes`, `${length}`)
    const bytes = this.bytes(length)
    let value = 0n
    for (let k = length - 1; k >= 0; k--) value = (value << 8n) | BigInt(bytes[k])
    return narrow(length === 0 ? 0n : BigInt.asIntN(8 * length, value))
  }

  text(length: number): string {
    const bytes = this.bytes(length)
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch {
      return this.#fail('text must be UTF-8', 'other bytes')
    }
  }

  latin1(length: number): string {
    return latin1(this.bytes(length))
  }

  /** The rest of the line, without its end. */
  line(): string {
    const end = this.#bytes.subarray(this.at, this.at + MOST_LINE_BYTES).indexOf(0x0a)
    if (end < 0) this.#fail(`a line of at most ${MOST_LINE_BYTES} bytes must follow`, 'no end of the line')
    const line = latin1(this.#bytes.subarray(this.at, this.at + end))
    this.at += end + 1
    return line
  }

  /** A line in quotes. Escapes stay as they are: nothing here is called by such a string. */
  quotedLine(): string {
    const line = this.line()
    const inner = /^(['"])(.*)\1$/s.exec(line)?.[2]
    return inner ?? this.#fail('text must stand in quotes', quoted(line))
  }

  /** A line with \uXXXX escapes. */
  unicodeLine(): string {
    return this.line().replace(/\\u([0-9a-fA-F]{4})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
  }

  /** `00` and `01` stand for false and true in the oldest protocol; a final L marks long integers. */
  textInteger(): number | bigint | boolean {
    const line = this.line()
    if (line === '00') return false
    if (line === '01') return true
    if (!/^[+-]?\d{1,1024}L?$/.test(line)) return this.#fail('an integer must stand here', quoted(line))
    return narrow(BigInt(line.replace(/[+L]/g, '')))
  }

  textFloat(): number {
    const line = this.line()
    const value = Number(line)
    if (line === 'nan' || line === 'inf' || line === '-inf') return Number(line.replace('inf', 'Infinity'))
    return line !== '' && !Number.isNaN(value) ? value : this.#fail('a number must stand here', quoted(line))
  }

  #skip(length: number): number {
    if (this.at + length > this.#bytes.length) this.#fail(`${length} bytes must follow`, 'the end of the pickle')
    this.at += length
    return this.at - length
  }

  #fail(rule: string, got: string): never {
    const wayOut = 'the file is damaged: get it again'
    throw new CheckpointError({ file: this.#file, rule: `pickle, byte ${this.at}: ${rule}`, got, wayOut })
  }
}

function narrow(value: bigint): number | bigint {
  const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
  return isSafe ? Number(value) : value
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096))
  return text
}
