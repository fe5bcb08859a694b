/** One entry of a tensor area's index.json. */
import { Attributes } from '../../attributes.js'
import { type Tolerance } from '../../compare.js'
import { type StoredTensor } from '../../stored.js'

/** `["transpose", perm]`, `["slice", slices]`, `["broadcast", shape]`, in the order they are applied. */
export type ViewStep = readonly [name: string, argument: unknown]

export interface StoredInput extends StoredTensor {
  readonly view?: readonly ViewStep[]
}

export interface TensorEntry {
  readonly id: string
  readonly group: string
  readonly op: string
  readonly file: string
  readonly key: string
  readonly attrs: Readonly<Record<string, unknown>>
  readonly inputs: readonly StoredInput[]
  readonly outputs: readonly StoredTensor[]
  /** Output positions that get a cotangent, input positions that get a gradient. */
  readonly grad?: { readonly of: readonly number[]; readonly wrt: readonly number[] }
  readonly tol?: { readonly out?: Tolerance; readonly grad?: Tolerance }
  readonly tags?: readonly string[]
}

/** A call that must throw. Its operands have no stored data. */
export interface ErrorEntry {
  readonly id: string
  readonly op: string
  readonly attrs: Readonly<Record<string, unknown>>
  readonly inputs: readonly { readonly dtype: string; readonly shape: readonly number[] }[]
  readonly why: string
}

/** Default tolerances by result dtype. */
export type Tolerances = Readonly<Record<string, Tolerance>>

export function attributesOf(entry: { readonly attrs: Readonly<Record<string, unknown>> }): Attributes {
  return new Attributes(entry.attrs)
}

/** The entry's own tolerance, else that of the result's dtype. */
export function toleranceOf(entry: TensorEntry, role: 'out' | 'grad', dtype: string, defaults: Tolerances): Tolerance {
  const tolerance = entry.tol?.[role] ?? defaults[dtype]
  if (tolerance === undefined) throw new Error(`no tolerance for dtype ${dtype}`)
  return tolerance
}
