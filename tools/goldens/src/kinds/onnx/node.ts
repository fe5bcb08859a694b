/** One node of the ONNX suite: operands, attributes by ONNX name, opset. */
import { type DType, type Tensor } from '@tarazed/tensor'
import { type Attributes } from '../../attributes.js'
import { numbersOf, type HostTensor } from '../../hostTensor.js'
import { IndexError, tensorOf } from '../../stored.js'

/** Results in the node's order; null for one that nobody asked for. */
export type NodeResults = Tensor | readonly (Tensor | null)[]

export type NodeRunner = (node: OnnxNode) => NodeResults

/** How many results the case wants: a position is false when it stores nothing there. */
export class OnnxNode {
  readonly type: string
  readonly opset: number
  readonly attrs: Attributes
  readonly wanted: readonly boolean[]
  readonly #operands: readonly (HostTensor | null)[]
  readonly #tensors = new Map<number, Tensor>()

  constructor(
    type: string,
    opset: number,
    attrs: Attributes,
    operands: readonly (HostTensor | null)[],
    wanted: readonly boolean[],
  ) {
    this.type = type
    this.opset = opset
    this.attrs = attrs
    this.wanted = wanted
    this.#operands = operands
  }

  /** The first operand, which every node but a few has. */
  get x(): Tensor {
    return this.tensor(0)
  }

  get operandCount(): number {
    return this.#operands.length
  }

  has(position: number): boolean {
    return (this.#operands[position] ?? null) !== null
  }

  /** @throws IndexError when the operand was left out */
  tensor(position: number): Tensor {
    const known = this.#tensors.get(position)
    if (known !== undefined) return known
    const made = tensorOf(this.#host(position))
    this.#tensors.set(position, made)
    return made
  }

  optional(position: number): Tensor | null {
    return this.has(position) ? this.tensor(position) : null
  }

  /** All operands, of nodes that take any number. */
  tensors(): Tensor[] {
    return this.#operands.map((_, position) => this.tensor(position))
  }

  /** The elements of an operand that decides shapes (sizes, axes, pads). */
  numbers(position: number): number[] {
    return [...numbersOf(this.#host(position))]
  }

  number(position: number): number {
    return this.numbers(position)[0]
  }

  /** A list that is an operand in newer opsets and an attribute in older ones; null when it is neither. */
  list(position: number, attribute: string): number[] | null {
    if (this.has(position)) return this.numbers(position)
    return this.attrs.has(attribute) ? this.attrs.numbers(attribute) : null
  }

  #host(position: number): HostTensor {
    const operand = this.#operands[position] ?? null
    if (operand === null) throw new IndexError(`${this.type}: operand ${position} is required`)
    return operand
  }
}

/** The library's dtype for a number of ONNX's TensorProto.DataType; 64-bit types are stored as 32-bit ones. */
export function dtypeOfOnnx(code: number): DType {
  const dtype = DTYPES[code]
  if (dtype === undefined) throw new IndexError(`ONNX data type ${code} has no counterpart`)
  return dtype
}

const DTYPES: Readonly<Record<number, DType | undefined>> = {
  1: 'f32',
  2: 'u8',
  3: 'i8',
  6: 'i32',
  7: 'i32',
  9: 'bool',
  10: 'f16',
  11: 'f32',
  12: 'u32',
  13: 'u32',
  16: 'bf16',
}

export function isFloatTensor(x: Tensor): boolean {
  return x.dtype === 'f32' || x.dtype === 'f16' || x.dtype === 'bf16'
}

export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}

/** 0 … n-1 */
export function range(n: number): number[] {
  return Array.from({ length: n }, (_, k) => k)
}
