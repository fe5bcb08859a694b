/** Plans GGUF files. */
import { checkObject } from '../arguments.js'
import { type TensorInfo } from '../checkpoint.js'
import { ArgumentError, quoted, shown } from '../errors.js'
import { checkTensors, type TensorToWrite } from '../tensorToWrite.js'
import { DEFAULT_ALIGNMENT, GGUF_MAGIC } from './header.js'
import { TENSOR_TYPES, VALUE_TYPES, type GgufScalarType, type GgufValue } from './types.js'

/** Metadata with types, as `GgufCheckpoint.typedMetadata` gives it. */
export type GgufMetadata = ReadonlyMap<string, GgufValue> | Readonly<Record<string, GgufValue>>

/** A file that is about to be written. */
export interface GgufLayout {
  /** Everything in front of the tensors, padded. */
  readonly head: Uint8Array
  /** In the order of the file; each is followed by zeros up to a multiple of the alignment. */
  readonly tensors: readonly (TensorToWrite & TensorInfo)[]
  readonly alignment: number
}

const VERSION = 3
const typeNumbers = new Map([...TENSOR_TYPES].map(([number, dtype]) => [dtype, number]))

/** @throws ArgumentError for types that GGUF lacks, values that do not fit their types, doubled names */
export function planGguf(what: string, tensors: Iterable<TensorToWrite>, metadata: GgufMetadata): GgufLayout {
  const checked = checkTensors(what, tensors)
  checkObject(`${what}: metadata`, metadata)
  const entries: [string, GgufValue][] = metadata instanceof Map ? [...metadata] : Object.entries(metadata)
  const alignment = entries.find(([key]) => key === 'general.alignment')?.[1].value ?? DEFAULT_ALIGNMENT
  if (typeof alignment !== 'number' || !(alignment > 0) || alignment % 8 !== 0)
    throw new ArgumentError(`${what}: general.alignment must be a multiple of 8, got ${shown(alignment)}`)
  const writer = new HeaderWriter()
  writer.u32(GGUF_MAGIC)
  writer.u32(VERSION)
  writer.u64(checked.length)
  writer.u64(entries.length)
  for (const [key, value] of entries) writeEntry(what, writer, key, value)
  let at = 0
  for (const tensor of checked) {
    writeTensor(what, writer, tensor, at)
    at = padded(at + tensor.byteLength, alignment)
  }
  return { head: writer.finish(alignment), tensors: checked, alignment }
}

/** The next multiple of the alignment. */
export function padded(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment
}

function writeTensor(what: string, writer: HeaderWriter, { name, dtype, shape }: TensorInfo, at: number): void {
  const type = typeNumbers.get(dtype)
  if (type === undefined)
    throw new ArgumentError(
      `${what}: GGUF holds ${[...typeNumbers.keys()].join(' ')}, got ${dtype} for tensor ${quoted(name)}`,
    )
  writer.text(name)
  writer.u32(shape.length)
  // The innermost axis comes first.
  for (const size of [...shape].reverse()) writer.u64(size)
  writer.u32(type)
  writer.u64(at)
}

function writeEntry(what: string, writer: HeaderWriter, key: string, entry: GgufValue): void {
  const number = VALUE_TYPES.indexOf(entry?.type)
  if (number < 0)
    throw new ArgumentError(`${what}: metadata ${quoted(key)} must be { type, value }, got ${shown(entry)}`)
  writer.text(key)
  writer.u32(number)
  if (entry.type !== 'array') return writeScalar(what, writer, key, entry.type, entry.value)
  writer.u32(VALUE_TYPES.indexOf(entry.of))
  writer.u64(entry.value.length)
  for (let k = 0; k < entry.value.length; k++) writeScalar(what, writer, key, entry.of, entry.value[k])
}

function writeScalar(what: string, writer: HeaderWriter, key: string, type: GgufScalarType, value: unknown): void {
  if (isOfType(type, value)) return writer.scalar(type, value)
  throw new ArgumentError(`${what}: metadata ${quoted(key)} must be ${type}, got ${shown(value)}`)
}

const RANGES: Partial<Record<GgufScalarType, readonly [bigint, bigint]>> = {
  u8: [0n, 255n],
  i8: [-128n, 127n],
  u16: [0n, 65535n],
  i16: [-32768n, 32767n],
  u32: [0n, 2n ** 32n - 1n],
  i32: [-(2n ** 31n), 2n ** 31n - 1n],
  u64: [0n, 2n ** 64n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
}

function isOfType(type: GgufScalarType, value: unknown): boolean {
  if (type === 'string') return typeof value === 'string'
  if (type === 'bool') return typeof value === 'boolean'
  if (type === 'f32' || type === 'f64') return typeof value === 'number'
  const range = RANGES[type]
  const integer = typeof value === 'bigint' ? value : Number.isInteger(value) ? BigInt(value as number) : undefined
  return range !== undefined && integer !== undefined && integer >= range[0] && integer <= range[1]
}

/** Bytes that grow. */
class HeaderWriter {
  #bytes = new Uint8Array(2 ** 16)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  u32(value: number): void {
    this.#room(4).setUint32(this.#at - 4, value, true)
  }

  u64(value: number | bigint): void {
    this.#room(8).setBigUint64(this.#at - 8, BigInt(value), true)
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value)
    this.u64(bytes.length)
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at - bytes.length)
  }

  /** @param value of that type, checked before */
  scalar(type: GgufScalarType, value: unknown): void {
    switch (type) {
      case 'u8':
      case 'i8':
        return this.#room(1).setUint8(this.#at - 1, Number(value))
      case 'bool':
        return this.#room(1).setUint8(this.#at - 1, value === true ? 1 : 0)
      case 'u16':
      case 'i16':
        return this.#room(2).setUint16(this.#at - 2, Number(value), true)
      case 'u32':
      case 'i32':
        return this.#room(4).setUint32(this.#at - 4, Number(value), true)
      case 'u64':
      case 'i64':
        return this.#room(8).setBigUint64(this.#at - 8, BigInt.asUintN(64, BigInt(value as number | bigint)), true)
      case 'f32':
        return this.#room(4).setFloat32(this.#at - 4, value as number, true)
      case 'f64':
        return this.#room(8).setFloat64(this.#at - 8, value as number, true)
      case 'string':
        return this.text(value as string)
      default:
        return type satisfies never
    }
  }

  finish(alignment: number): Uint8Array {
    const length = padded(this.#at, alignment)
    this.#room(length - this.#at)
    return this.#bytes.slice(0, length)
  }

  /** Adds `length` zeros. @returns a view of all bytes, which may have moved */
  #room(length: number): DataView {
    this.#at += length
    if (this.#at <= this.#bytes.length) return this.#view
    const grown = new Uint8Array(Math.max(this.#at, 2 * this.#bytes.length))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
    return this.#view
  }
}
