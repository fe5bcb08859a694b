/**
 * The order of the rows of q and k. Rotary embedding turns pairs of rows: rows i and i + d/2 of a head in Hugging Face
 * checkpoints, rows 2i and 2i + 1 in GGUF of architecture `llama`. So HF row j·d/2 + i of a head is GGUF row 2i + j.
 */
import { type StoredTensor } from '../checkpoint.js'
import { elementCount, layoutOf } from '../dtype.js'

/** Which of a tensor's rows stands at each place of a head of `headRows` rows. */
export type RowOrder = (row: number, headRows: number) => number

/** For reading: the GGUF row that is HF row `row`. */
export const ggufRowOf: RowOrder = (row, headRows) => {
  const half = headRows / 2
  return row < half ? 2 * row : 2 * (row - half) + 1
}

/** For writing: the HF row that is GGUF row `row`. */
export const hfRowOf: RowOrder = (row, headRows) => (row % 2) * (headRows / 2) + Math.floor(row / 2)

/** A view of a tensor whose rows are reordered within each head, under another name. */
export function reorderedRows(tensor: StoredTensor, name: string, heads: number, order: RowOrder): StoredTensor {
  const { shape, dtype } = tensor.info
  const headRows = shape[0] / heads
  const rowElements = elementCount(shape.slice(1))
  const { blockElements, blockBytes } = layoutOf(dtype)
  const rowBytes = (rowElements / blockElements) * blockBytes
  return {
    info: { ...tensor.info, name },
    async readElements(from, to) {
      if (from >= to) return new Uint8Array(0)
      const first = Math.floor(from / rowElements)
      const last = Math.ceil(to / rowElements)
      const firstHead = Math.floor(first / headRows)
      const lastHead = Math.ceil(last / headRows)
      const headElements = headRows * rowElements
      const heads = await tensor.readElements(firstHead * headElements, lastHead * headElements)
      const rows = new Uint8Array((last - first) * rowBytes)
      for (let row = first; row < last; row++) {
        const head = Math.floor(row / headRows)
        const at = ((head - firstHead) * headRows + order(row - head * headRows, headRows)) * rowBytes
        rows.set(heads.subarray(at, at + rowBytes), (row - first) * rowBytes)
      }
      const skipped = ((from - first * rowElements) / blockElements) * blockBytes
      return rows.subarray(skipped, skipped + ((to - from) / blockElements) * blockBytes)
    },
  }
}
