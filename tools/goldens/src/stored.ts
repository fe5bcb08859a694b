/** Cases whose tensors lie in a safetensors file under `<key>.<name>`, as the kinds tensor and onnx have them. */
import { fromBytes, type DType, type Tensor } from '@tarazed/tensor'
import { type AreaFiles } from './areaFiles.js'
import { describe, type HostTensor } from './hostTensor.js'

/** A tensor that the index promises. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
}

/** The index says something else than the file. */
export class IndexError extends Error {
  override readonly name = 'IndexError'
}

/** The tensors of one case. */
export class CaseTensors {
  readonly #files: AreaFiles
  readonly #file: string
  readonly #key: string

  constructor(files: AreaFiles, file: string, key: string) {
    this.#files = files
    this.#file = file
    this.#key = key
  }

  /**
   * @throws IndexError when the file has another dtype or shape than promised
   * @throws MissingDataError when it is not there
   */
  host(promised: StoredTensor): HostTensor {
    const stored = this.#files.tensor(this.#file, `${this.#key}.${promised.name}`)
    if (describe(stored) !== describe(promised))
      throw new IndexError(
        `${promised.name}: the index promises ${describe(promised)}, the file has ${describe(stored)}`,
      )
    return stored
  }

  /** One that the index does not describe (`gradIn0`). */
  hostByName(name: string): HostTensor {
    return this.#files.tensor(this.#file, `${this.#key}.${name}`)
  }

  tensor(promised: StoredTensor): Tensor {
    return tensorOf(this.host(promised))
  }
}

/**
 * A host tensor as a tensor of the library.
 * @throws IndexError for f64, which no tensor holds
 */
export function tensorOf(host: HostTensor): Tensor {
  if (host.dtype === 'f64') throw new IndexError('f64 is for stored results only, not for operands')
  return fromBytes(host.bytes, { shape: host.shape, dtype: host.dtype as DType })
}

/** Reads `index.json` as an object. @throws IndexError */
export function readIndex(files: AreaFiles): Record<string, unknown> {
  const index = files.index()
  if (typeof index !== 'object' || index === null || Array.isArray(index)) throw new IndexError('must be a JSON object')
  return index as Record<string, unknown>
}

/** A list of objects of an index. @throws IndexError */
export function listOf(index: Record<string, unknown>, field: string): Record<string, unknown>[] {
  const list = index[field]
  if (!Array.isArray(list) || list.some((item) => typeof item !== 'object' || item === null))
    throw new IndexError(`${field} must be a list of objects`)
  return list as Record<string, unknown>[]
}
