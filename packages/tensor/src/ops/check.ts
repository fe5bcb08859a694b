/** Argument checks shared by the public operators. Messages follow: *operator: rule, got operands; way out.* */
import { DTYPES, isFloat, isInteger, type DType } from '../dtype.js'
import { ArgumentError, DTypeError, ShapeError } from '../errors.js'
import { broadcast, scalarConst } from '../graph/primitives.js'
import { Tensor } from '../graph/tensor.js'
import { broadcastShapes, sameShape, showShape } from '../shape.js'

/** What an elementwise operator takes: a tensor, or a number that takes the dtype of the tensor beside it. */
export type Operand = Tensor | number

/** `f32[2, 3]` for messages. */
export function show(value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype}${showShape(value.shape)}`
  if (Array.isArray(value)) return `an array of length ${value.length}`
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value)
  if (typeof value === 'function') return `the function ${value.name}`
  return value !== null && typeof value === 'object' ? (value.constructor?.name ?? 'an object') : String(value)
}

export function showAll(values: readonly unknown[]): string {
  return values.map(show).join(' and ')
}

export function shapeError(op: string, rule: string, got: string, wayOut: string): ShapeError {
  return new ShapeError(`${op}: ${rule}, got ${got}; ${wayOut}`)
}

export function dtypeError(op: string, rule: string, got: string, wayOut: string): DTypeError {
  return new DTypeError(`${op}: ${rule}, got ${got}; ${wayOut}`)
}

export function argumentError(op: string, rule: string, got: string, wayOut: string): ArgumentError {
  return new ArgumentError(`${op}: ${rule}, got ${got}; ${wayOut}`)
}

/** @throws ArgumentError for anything but a tensor */
export function requireTensor(op: string, ...values: readonly unknown[]): void {
  for (const value of values)
    if (!(value instanceof Tensor)) throw argumentError(op, 'operands must be tensors', show(value), wayToTensor(value))
}

function wayToTensor(value: unknown): string {
  if (value instanceof Promise) return 'await it first'
  const { dtype, shape } = (value ?? {}) as Partial<Tensor>
  // Its class is another one: two versions in node_modules, or one bundled twice.
  if (DTYPES.includes(dtype as DType) && Array.isArray(shape))
    return 'it was made by another copy of @tarazed/tensor, so install or bundle the package once (npm ls @tarazed/tensor)'
  return 'wrap data in tensor(…)'
}

/** @throws DTypeError when an operand is not f32, f16 or bf16 */
export function requireFloat(op: string, ...operands: readonly Tensor[]): void {
  requireTensor(op, ...operands)
  for (const x of operands)
    if (!isFloat(x.dtype))
      throw dtypeError(op, 'operands must be f32, f16 or bf16', showAll(operands), 'cast them first')
}

/** @throws DTypeError when an operand is not i32, u32, i8 or u8 */
export function requireInteger(op: string, ...operands: readonly Tensor[]): void {
  requireTensor(op, ...operands)
  for (const x of operands)
    if (!isInteger(x.dtype))
      throw dtypeError(op, 'operands must be i32, u32, i8 or u8', showAll(operands), 'cast them first')
}

/** @throws DTypeError when an operand is not bool */
export function requireBool(op: string, ...operands: readonly Tensor[]): void {
  requireTensor(op, ...operands)
  for (const x of operands)
    if (x.dtype !== 'bool')
      throw dtypeError(op, 'operands must be bool', showAll(operands), 'compare first, as in notEqual(x, 0)')
}

/** @throws DTypeError when an operand is bool */
export function requireNumeric(op: string, ...operands: readonly Tensor[]): void {
  requireTensor(op, ...operands)
  for (const x of operands)
    if (x.dtype === 'bool')
      throw dtypeError(op, 'operands must be numbers', showAll(operands), "cast them first, as in cast(x, 'i32')")
}

/** @throws DTypeError when dtypes differ */
export function requireSameDType(op: string, ...operands: readonly Tensor[]): void {
  requireTensor(op, ...operands)
  for (const x of operands)
    if (x.dtype !== operands[0].dtype)
      throw dtypeError(op, 'operands must have one dtype', showAll(operands), 'nothing is promoted, cast one of them')
}

/** @throws ShapeError when the rank differs */
export function requireRank(op: string, what: string, x: Tensor, rank: number): void {
  requireTensor(op, x)
  if (x.rank !== rank) throw shapeError(op, `${what} must have ${rank} axes`, show(x), 'reshape it')
}

const INTEGER_RANGE: Partial<Record<DType, readonly [number, number]>> = {
  i32: [-2147483648, 2147483647],
  u32: [0, 4294967295],
  i8: [-128, 127],
  u8: [0, 255],
}

/**
 * A number as an element of `dtype`.
 * @param subject what it is, for the message; default a number beside a tensor
 * @throws ArgumentError for a number that an integer dtype cannot hold
 */
export function requireElement(op: string, value: number, dtype: DType, subject?: string): void {
  if (typeof value !== 'number')
    throw argumentError(op, 'operands must be tensors or numbers', show(value), wayToTensor(value))
  if (dtype === 'bool' && value !== 0 && value !== 1)
    throw argumentError(
      op,
      `${subject ?? 'a number beside a bool tensor'} must be 0 or 1`,
      String(value),
      castOr(subject),
    )
  const range = INTEGER_RANGE[dtype]
  if (range === undefined) return
  if (!Number.isInteger(value) || value < range[0] || value > range[1])
    throw argumentError(
      op,
      `${subject ?? `a number beside a tensor of ${dtype}`} must be an integer in [${range[0]}, ${range[1]}]`,
      String(value),
      castOr(subject),
    )
}

function castOr(subject: string | undefined): string {
  return subject === undefined ? 'cast the tensor' : 'change the value or choose another dtype'
}

/** The common shape of operands. @throws ShapeError naming all of them */
export function commonShape(op: string, operands: readonly Tensor[]): readonly number[] {
  const [first] = operands
  if (operands.every((x) => sameShape(x.shape, first.shape))) return first.shape
  try {
    return broadcastShapes(op, ...operands.map((x) => x.shape))
  } catch {
    throw shapeError(
      op,
      'shapes must broadcast (sizes equal or 1, counted from the last axis)',
      showAll(operands),
      'reshape or transpose one of them',
    )
  }
}

/** Operands as tensors of one dtype; numbers become rank-0 constants. @throws ArgumentError when there is no tensor among them */
export function tensorsOf(op: string, operands: readonly Operand[]): Tensor[] {
  const first = operands.find((x): x is Tensor => x instanceof Tensor)
  if (first === undefined)
    throw argumentError(
      op,
      'at least one operand must be a tensor',
      showAll(operands),
      'wrap one in tensor(…) or scalar(…)',
    )
  const tensors = operands.map((x) => {
    if (x instanceof Tensor) return x
    requireElement(op, x, first.dtype)
    return scalarConst(x, first.dtype)
  })
  requireSameDType(op, ...tensors)
  return tensors
}

/** Operands of one dtype, broadcast to their common shape. */
export function broadcastOperands(op: string, operands: readonly Operand[]): Tensor[] {
  const [a, b] = operands
  // The common case, at a third of the cost of the general one.
  if (
    operands.length === 2 &&
    a instanceof Tensor &&
    b instanceof Tensor &&
    a.dtype === b.dtype &&
    sameShape(a.shape, b.shape)
  )
    return [a, b]
  const tensors = tensorsOf(op, operands)
  const shape = commonShape(op, tensors)
  return tensors.map((x) => broadcast(x, shape))
}

/** @throws ArgumentError when `value` is none of `choices` */
export function requireChoice<T extends string | null>(
  op: string,
  name: string,
  value: T,
  choices: readonly T[],
): void {
  if (!choices.includes(value))
    throw argumentError(
      op,
      `${name} must be one of ${choices.map((c) => String(c)).join(', ')}`,
      show(value),
      'choose one of them',
    )
}

/** @throws ArgumentError for anything but an integer of at least `least` */
export function requireCount(op: string, name: string, value: number, least = 0): void {
  if (!Number.isInteger(value) || value < least)
    throw argumentError(op, `${name} must be an integer of at least ${least}`, show(value), `change ${name}`)
}

/**
 * A list where one belongs. `write` shows the right form, for those who spread the numbers over the arguments.
 * @throws ArgumentError for anything but an array
 */
export function requireList(op: string, name: string, value: unknown, write: string): void {
  if (!Array.isArray(value)) throw argumentError(op, `${name} must be one list`, show(value), `write it as in ${write}`)
}

/** @throws ArgumentError for anything but a number that is not NaN, within [least, most] */
export function requireNumber(op: string, name: string, value: unknown, least = -Infinity, most = Infinity): void {
  if (typeof value === 'number' && value >= least && value <= most) return
  const range =
    least === -Infinity && most === Infinity
      ? ''
      : most === Infinity
        ? ` of at least ${least}`
        : ` in [${least}, ${most}]`
  throw argumentError(op, `${name} must be a number${range}`, show(value), `change ${name}`)
}

/** @throws ArgumentError for anything but true or false */
export function requireBoolean(op: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean')
    throw argumentError(op, `${name} must be true or false`, show(value), `change ${name}`)
}

/** Other libraries write dtypes out: float32, bfloat16, uint8. */
function wayToDType(given: unknown): string {
  const short = String(given).replace('float', 'f').replace('uint', 'u').replace('int', 'i')
  return DTYPES.includes(short as DType) ? `did you mean '${short}'?` : 'choose one of them'
}

/** @throws DTypeError for anything but the name of a dtype */
export function requireDType(op: string, dtype: DType): void {
  if (!DTYPES.includes(dtype))
    throw dtypeError(op, `dtype must be one of ${DTYPES.join(', ')}`, show(dtype), wayToDType(dtype))
}

/** @throws ShapeError for a shape with a negative or fractional size */
export function requireShape(op: string, shape: readonly number[]): void {
  if (!Array.isArray(shape))
    throw shapeError(
      op,
      'a shape is a list of sizes of at least 0',
      show(shape),
      `write it as in [${typeof shape === 'number' ? String(shape) : '2, 3'}]`,
    )
  if (!shape.every((n) => Number.isInteger(n) && n >= 0))
    throw shapeError(op, 'a shape is a list of sizes of at least 0', showShape(shape), 'change the shape')
}
