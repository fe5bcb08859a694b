/** Bytes that are no `.npy` or `.npz` file, or one beyond the limits. */
export class NpyError extends Error {
  override readonly name = 'NpyError'
}
