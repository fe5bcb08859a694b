/** Errors between threads: structured cloning keeps only the built-in classes, so typed errors travel as plain data. */
import {
  AllocationError,
  ArgumentError,
  BackendUnavailableError,
  DisposedError,
  DTypeError,
  InternalError,
  NumericsError,
  ShapeError,
} from '@tarazed/tensor'

/** An error as plain data. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  /** Own fields of the error beside its name, e.g. `requestedBytes`. */
  readonly fields: Readonly<Record<string, unknown>>
}

const constructors: Readonly<Record<string, (message: string) => Error>> = {
  AllocationError: (message) => new AllocationError(message, 0, 0), // its numbers are fields
  ArgumentError: (message) => new ArgumentError(message),
  BackendUnavailableError: (message) => new BackendUnavailableError(message),
  DisposedError: (message) => new DisposedError(message),
  DTypeError: (message) => new DTypeError(message),
  InternalError: internalError,
  NumericsError: (message) => new NumericsError(message),
  ShapeError: (message) => new ShapeError(message),
  RangeError: (message) => new RangeError(message),
  TypeError: (message) => new TypeError(message),
  CompileError: (message) => new WebAssembly.CompileError(message),
  LinkError: (message) => new WebAssembly.LinkError(message),
  RuntimeError: (message) => new WebAssembly.RuntimeError(message),
}

/** The error as data that can be posted to another thread. Fields that are objects or functions stay behind. */
export function toPlainError(thrown: unknown): PlainError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown), fields: {} }
  const { name, message, stack } = thrown
  const fields = Object.entries(thrown).filter(([key, value]) => key !== 'name' && isPlain(value))
  return { name, message, stack, fields: Object.fromEntries(fields) }
}

/** The error again, of the class that was thrown; its stack is that of the thread that threw it. */
export function fromPlainError({ name, message, stack, fields }: PlainError): Error {
  const error = constructors[name]?.(message) ?? named(name, message)
  Object.assign(error, fields)
  if (stack !== undefined) error.stack = stack
  return error
}

function isPlain(value: unknown): boolean {
  return value === null || !['object', 'function', 'symbol'].includes(typeof value)
}

/** The constructor would wrap the message once more. */
function internalError(message: string): InternalError {
  const error = new InternalError('')
  error.message = message
  return error
}

function named(name: string, message: string): Error {
  const error = new Error(message)
  error.name = name
  return error
}
