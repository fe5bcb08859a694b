/** A slot bound to memory: checked reads and writes of single elements. */
import { isFloat, type DType } from '../dtype.js'
import { InternalError } from '../errors.js'
import { bf16BitsToF32, f16BitsToF32, f32ToBf16Bits, f32ToF16Bits } from '../program/float16.js'

type Numbers = Float64Array | Float32Array | Int32Array | Uint32Array | Uint16Array | Int8Array | Uint8Array

/** Bytes together with a mark for each of them: 0 where nothing was ever written. */
export interface Region {
  readonly bytes: Uint8Array
  readonly marks: Uint8Array | Int32Array
}

/** How a slot may use its bytes. Every write leaves `writes`; a read wants one of `reads`. */
export interface Marking {
  readonly writes: number
  readonly reads: readonly number[]
}

/**
 * One slot of a running program. Reading an element that the slot's owner has not written, or that another slot has
 * overwritten since, is an error; so is leaving the slot, or storing a value that its dtype cannot hold.
 */
export class Cell {
  readonly name: string
  readonly dtype: DType
  readonly elements: number
  readonly #region: Region
  readonly #byteOffset: number
  readonly #elementBytes: number
  readonly #marking: Marking
  readonly #numbers: Numbers
  readonly #float64: boolean

  constructor(
    name: string,
    spec: { readonly dtype: DType; readonly elements: number; readonly float64: boolean },
    place: { readonly region: Region; readonly byteOffset: number; readonly marking: Marking },
  ) {
    this.name = name
    this.dtype = spec.dtype
    this.elements = spec.elements
    this.#float64 = spec.float64
    this.#region = place.region
    this.#byteOffset = place.byteOffset
    this.#marking = place.marking
    const { buffer, byteOffset } = place.region.bytes
    this.#numbers = numbersOver(buffer, byteOffset + place.byteOffset, spec)
    this.#elementBytes = this.#numbers.BYTES_PER_ELEMENT
    if (place.byteOffset + spec.elements * this.#elementBytes > place.region.bytes.byteLength)
      throw new InternalError(`${name} leaves its buffer of ${place.region.bytes.byteLength} bytes`)
  }

  /** @throws InternalError out of range, or for bytes that nobody has written */
  read(at: number): number {
    this.#checkRange(at, 'reads')
    const start = this.#byteOffset + at * this.#elementBytes
    for (let byte = start; byte < start + this.#elementBytes; byte++)
      if (!this.#marking.reads.includes(this.#region.marks[byte])) this.#failRead(at, this.#region.marks[byte])
    return this.#decode(this.#numbers[at])
  }

  /** @throws InternalError out of range, or for a value that was not rounded to the dtype before */
  write(at: number, value: number): void {
    this.#checkRange(at, 'writes')
    this.#numbers[at] = this.#encode(value)
    const back = this.#decode(this.#numbers[at])
    if (back !== value && !(Number.isNaN(back) && Number.isNaN(value)))
      throw new InternalError(`${this.name} cannot hold ${value} in ${this.dtype}; it would become ${back}`)
    const start = this.#byteOffset + at * this.#elementBytes
    this.#region.marks.fill(this.#marking.writes, start, start + this.#elementBytes)
  }

  /** Elements `start` … `start + elements - 1` as a slot of their own. */
  window(name: string, start: number, elements: number): Cell {
    const byteOffset = this.#byteOffset + start * this.#elementBytes
    const spec = { dtype: this.dtype, elements, float64: this.#float64 }
    return new Cell(name, spec, { region: this.#region, byteOffset, marking: this.#marking })
  }

  /** @throws InternalError when some element has no value */
  checkComplete(): void {
    for (let at = 0; at < this.elements; at++) this.read(at)
  }

  #checkRange(at: number, verb: string): void {
    if (Number.isInteger(at) && at >= 0 && at < this.elements) return
    throw new InternalError(`a step ${verb} element ${at} of ${this.name}, which has ${this.elements}`)
  }

  #failRead(at: number, mark: number): never {
    const reason = mark === 0 ? 'which was never written' : 'which another slot has overwritten'
    throw new InternalError(`a step reads element ${at} of ${this.name}, ${reason}`)
  }

  #encode(value: number): number {
    if (this.#float64 && isFloat(this.dtype)) return value
    if (this.dtype === 'f16') return f32ToF16Bits(value)
    if (this.dtype === 'bf16') return f32ToBf16Bits(value)
    return value
  }

  #decode(stored: number): number {
    if (this.dtype === 'bool') return stored === 0 ? 0 : 1
    if (this.#float64 && isFloat(this.dtype)) return stored
    if (this.dtype === 'f16') return f16BitsToF32(stored)
    if (this.dtype === 'bf16') return bf16BitsToF32(stored)
    return stored
  }
}

function numbersOver(
  buffer: ArrayBufferLike,
  byteOffset: number,
  { dtype, elements, float64 }: { readonly dtype: DType; readonly elements: number; readonly float64: boolean },
): Numbers {
  if (float64 && isFloat(dtype)) return new Float64Array(buffer, byteOffset, elements)
  switch (dtype) {
    case 'f32':
      return new Float32Array(buffer, byteOffset, elements)
    case 'f16':
    case 'bf16':
      return new Uint16Array(buffer, byteOffset, elements)
    case 'i32':
      return new Int32Array(buffer, byteOffset, elements)
    case 'u32':
      return new Uint32Array(buffer, byteOffset, elements)
    case 'i8':
      return new Int8Array(buffer, byteOffset, elements)
    case 'u8':
    case 'bool':
      return new Uint8Array(buffer, byteOffset, elements)
  }
}
