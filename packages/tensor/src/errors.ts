/** Error classes of the tensor core. Messages follow: *function: rule, got value; way out.* */

/** What all errors of the tensor core are: catch it to tell a mistake that the message explains from any other failure. */
export class TarazedError extends Error {}

/** Shapes, axes or sizes that do not fit. */
export class ShapeError extends TarazedError {
  override readonly name = 'ShapeError'
}

/** A dtype that an operator, a backend or a conversion does not take. */
export class DTypeError extends TarazedError {
  override readonly name = 'DTypeError'
}

/** An option or argument out of range that is neither shape nor dtype. */
export class ArgumentError extends TarazedError {
  override readonly name = 'ArgumentError'
}

/** The value of a tensor was asked for while it is only a placeholder of a transform. */
export class TracedValueError extends TarazedError {
  override readonly name = 'TracedValueError'
}

/** A tensor whose buffer was given away to a compiled call. */
export class DonatedError extends TarazedError {
  override readonly name = 'DonatedError'
}

/** A tensor that was disposed, or that belongs to a closed backend. */
export class DisposedError extends TarazedError {
  override readonly name = 'DisposedError'
}

/** A backend cannot be opened here; the message says what to install or which one to use instead. */
export class BackendUnavailableError extends TarazedError {
  override readonly name = 'BackendUnavailableError'
}

/** Memory beyond the limit of the backend or the budget. */
export class AllocationError extends TarazedError {
  override readonly name = 'AllocationError'
  readonly requestedBytes: number
  readonly limitBytes: number
  constructor(message: string, requestedBytes: number, limitBytes: number) {
    super(message)
    this.requestedBytes = requestedBytes
    this.limitBytes = limitBytes
  }
}

/** NaN or infinity found by `checkNumerics`, or an index out of range. */
export class NumericsError extends TarazedError {
  override readonly name = 'NumericsError'
}

/** The run that should have produced a tensor failed; the cause is attached. */
export class FailedError extends TarazedError {
  override readonly name = 'FailedError'
}

/** Something that is our fault: please report it. */
export class InternalError extends TarazedError {
  override readonly name = 'InternalError'
  constructor(message: string) {
    super(`internal: ${message}; please report this`)
  }
}
