import { TarazedError } from '../errors.js'

/** Bytes that are no `.npy` or `.npz` file, or one beyond the limits. */
export class NpyError extends TarazedError {
  override readonly name = 'NpyError'
}
