/** A cursor over the first bytes of a GGUF file. */
import { CheckpointError } from '../errors.js'
import { VALUE_BYTES, VALUE_TYPES, type GgufScalarType, type GgufValue } from './types.js'

/** The header goes on behind the bytes that are in memory: read more and start again. */
export class NeedsMoreBytes extends Error {
  override readonly name = 'NeedsMoreBytes'
}

/** Typed values of the metadata, in order. */
export class HeaderReader {
  readonly #file: string
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #fileBytes: number
  at = 0

  /** @param bytes the first bytes of the file, `fileBytes` in all */
  constructor(file: string, bytes: Uint8Array, fileBytes: number) {
    this.#file = file
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#fileBytes = fileBytes
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** @param what for the message when the number is beyond 2⁵³ */
  size(what: string): number {
    const value = this.#view.getBigUint64(this.#take(8), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fail(`${what} must fit the file`, `${value}`)
    return Number(value)
  }

  text(): string {
    const length = this.size('a text')
    const start = this.#take(length)
    // Vocabularies hold cut-up characters on purpose, so broken UTF-8 is replaced rather than refused.
    return decoder.decode(this.#bytes.subarray(start, start + length))
  }

  /** A number of things that take at least `bytes` each. */
  count(what: string, bytes: number): number {
    const count = this.size(what)
    if (count * bytes > this.#fileBytes - this.at)
      this.fail(`${what} must fit into the file of ${this.#fileBytes} bytes`, `${count}`)
    return count
  }

  value(): GgufValue {
    const type = this.#type()
    if (type !== 'array') return { type, value: this.#scalar(type) }
    const of = this.#type()
    if (of === 'array') this.fail('arrays may not hold arrays', 'one that does')
    const count = this.count(`an array of ${of}`, VALUE_BYTES[of])
    return { type, of, value: this.#array(of, count) }
  }

  fail(rule: string, got: string, wayOut = 'the file is damaged: get it again'): never {
    throw new CheckpointError({ file: this.#file, rule: `GGUF header, byte ${this.at}: ${rule}`, got, wayOut })
  }

  #type(): GgufScalarType | 'array' {
    const number = this.u32()
    return VALUE_TYPES[number] ?? this.fail(`types of values are 0 to ${VALUE_TYPES.length - 1}`, `${number}`)
  }

  #scalar(type: GgufScalarType): number | bigint | boolean | string {
    switch (type) {
      case 'u8':
        return this.#view.getUint8(this.#take(1))
      case 'i8':
        return this.#view.getInt8(this.#take(1))
      case 'u16':
        return this.#view.getUint16(this.#take(2), true)
      case 'i16':
        return this.#view.getInt16(this.#take(2), true)
      case 'u32':
        return this.u32()
      case 'i32':
        return this.#view.getInt32(this.#take(4), true)
      case 'f32':
        return this.#view.getFloat32(this.#take(4), true)
      case 'bool':
        return this.#view.getUint8(this.#take(1)) !== 0
      case 'string':
        return this.text()
      case 'u64':
        return narrow(this.#view.getBigUint64(this.#take(8), true))
      case 'i64':
        return narrow(this.#view.getBigInt64(this.#take(8), true))
      case 'f64':
        return this.#view.getFloat64(this.#take(8), true)
      default:
        return type satisfies never
    }
  }

  /** Numbers as a typed array: a vocabulary has a hundred thousand of them. */
  #array(of: GgufScalarType, count: number): ArrayLike<number | bigint | boolean | string> {
    if (of === 'string' || of === 'bool') return Array.from({ length: count }, () => this.#scalar(of))
    const length = count * VALUE_BYTES[of]
    const start = this.#take(length)
    const { buffer } = this.#bytes.slice(start, start + length)
    return new ARRAYS[of](buffer as ArrayBuffer)
  }

  #take(length: number): number {
    const start = this.at
    if (start + length > this.#fileBytes)
      this.fail(`${length} bytes must follow`, `the end of the file at byte ${this.#fileBytes}`)
    if (start + length > this.#bytes.length) throw new NeedsMoreBytes()
    this.at += length
    return start
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const ARRAYS = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
} as const

function narrow(value: bigint): number | bigint {
  const isSafe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
  return isSafe ? Number(value) : value
}
