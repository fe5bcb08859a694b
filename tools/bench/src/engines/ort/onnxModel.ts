/**
 * ONNX models of one operator, written as protobuf bytes, so that no model file is needed.
 *
 * @source onnx.proto of ONNX 1.16: the field numbers below
 */

export interface OneOperator {
  readonly operator: string
  /** Version of the operator set; the newest that has the operator in the wanted form. */
  readonly opset: number
  /** f32 inputs in the operator's order. */
  readonly inputs: Readonly<Record<string, readonly number[]>>
  /** Shape of the only output, named `out`. */
  readonly output: readonly number[]
  /** Integers, and lists of integers. */
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>
}

const IR_VERSION = 8
const FLOAT = 1 // TensorProto.DataType
const INT = 2 // AttributeProto.AttributeType
const INTS = 7

/** A ModelProto. */
export function onnxModel({ operator, opset, inputs, output, attributes = {} }: OneOperator): Uint8Array {
  const names = Object.keys(inputs)
  const node = [
    ...names.flatMap((name) => textField(1, name)),
    ...textField(2, 'out'),
    ...textField(4, operator),
    ...Object.entries(attributes).flatMap(([name, value]) => field(5, attribute(name, value))),
  ]
  const graph = [
    ...field(1, node),
    ...textField(2, operator),
    ...names.flatMap((name) => field(11, valueInfo(name, inputs[name]))),
    ...field(12, valueInfo('out', output)),
  ]
  const operatorSet = [...textField(1, ''), ...integerField(2, opset)]
  return Uint8Array.from([...integerField(1, IR_VERSION), ...field(7, graph), ...field(8, operatorSet)])
}

function attribute(name: string, value: number | readonly number[]): number[] {
  const isList = typeof value !== 'number'
  const payload = isList ? value.flatMap((entry) => integerField(8, entry)) : integerField(3, value)
  return [...textField(1, name), ...payload, ...integerField(20, isList ? INTS : INT)]
}

function valueInfo(name: string, shape: readonly number[]): number[] {
  const dimensions = shape.flatMap((extent) => field(1, integerField(1, extent)))
  const tensorType = [...integerField(1, FLOAT), ...field(2, dimensions)]
  return [...textField(1, name), ...field(2, field(1, tensorType))]
}

/** A length-delimited field: a message or text. */
function field(number: number, bytes: readonly number[]): number[] {
  return [...varint((number << 3) | 2), ...varint(bytes.length), ...bytes]
}

function textField(number: number, text: string): number[] {
  return field(number, [...new TextEncoder().encode(text)])
}

function integerField(number: number, value: number): number[] {
  return [...varint(number << 3), ...varint(value)]
}

/** Seven bits a byte, lowest first; the high bit says that more follow. Not for negative numbers. */
function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}
