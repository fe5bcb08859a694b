/** int8 with one scale for each output of a linear layer: `weight[n, k] = scales[n] · codes[n, k]`. */
import { checkCount, checkObject } from '../arguments.js'
import { ArgumentError, shown } from '../errors.js'

/** Codes of −127 to 127, [rows, columns], and the scale of each row. */
export interface Int8Rows {
  readonly codes: Int8Array
  readonly scales: Float32Array
}

/**
 * Symmetric: the largest magnitude of a row becomes ±127. Ties round to even; a row of zeros has scale 1.
 * @param values [rows, columns]
 * @throws ArgumentError for numbers that are not finite
 */
export function quantiseInt8Rows(values: Float32Array, rows: number): Int8Rows {
  if (!(values instanceof Float32Array))
    throw new ArgumentError(`quantiseInt8Rows: values must be a Float32Array, got ${shown(values)}`)
  checkCount('quantiseInt8Rows: rows', rows, 1)
  const columns = values.length / rows
  if (!Number.isInteger(columns))
    throw new ArgumentError(`quantiseInt8Rows: values must be whole rows, got ${values.length} in ${rows} rows`)
  const codes = new Int8Array(values.length)
  const scales = new Float32Array(rows)
  for (let row = 0; row < rows; row++) {
    let largest = 0
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      if (!Number.isFinite(values[i]))
        throw new ArgumentError(`quantiseInt8Rows: values must be finite, got ${values[i]} at ${i}`)
      largest = Math.max(largest, Math.abs(values[i]))
    }
    scales[row] = largest === 0 ? 1 : largest / 127
    for (let i = row * columns; i < (row + 1) * columns; i++)
      codes[i] = Math.max(-127, Math.min(127, roundToEven(values[i] / scales[row])))
  }
  return { codes, scales }
}

function roundToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}

/** The inverse of {@link quantiseInt8Rows}, up to rounding. */
export function dequantiseInt8Rows(rows: Int8Rows): Float32Array {
  checkObject('dequantiseInt8Rows: rows', rows)
  const { codes, scales } = rows
  if (!(codes instanceof Int8Array))
    throw new ArgumentError(`dequantiseInt8Rows: codes must be an Int8Array, got ${shown(codes)}`)
  if (!(scales instanceof Float32Array) || codes.length % scales.length !== 0)
    throw new ArgumentError(`dequantiseInt8Rows: scales must be one for each row, got ${shown(scales)}`)
  const columns = codes.length / scales.length
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / columns)])
}
