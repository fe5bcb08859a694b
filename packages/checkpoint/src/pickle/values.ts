/** What a pickle may be made of here: plain data, tensors, and records that do nothing. */
import { type PlainDType } from '../dtype.js'

/** A tuple; lists are arrays. */
export class PyTuple {
  readonly items: readonly PyValue[]
  constructor(items: readonly PyValue[]) {
    this.items = items
  }
}

/** A `dict`, `OrderedDict` or record with items; keys in the order of the file. */
export class PyDict {
  readonly entries: [PyValue, PyValue][] = []
}

/** A `set` or `frozenset`. */
export class PySet {
  readonly items: PyValue[]
  constructor(items: PyValue[] = []) {
    this.items = items
  }
}

/** A name of the allow-list, or in mode `inspect` any name. It is never looked up anywhere. */
export class PyGlobal {
  readonly module: string
  readonly member: string
  constructor(module: string, member: string) {
    this.module = module
    this.member = member
  }
  /** `module.member` */
  get path(): string {
    return `${this.module}.${this.member}`
  }
}

/** An object of a class that is not known here, in mode `inspect`: what was said about it, and nothing else. */
export class PyRecord {
  readonly path: string
  readonly args: readonly PyValue[]
  state: PyValue = null
  readonly items: PyValue[] = []
  readonly dict = new PyDict()
  constructor(path: string, args: readonly PyValue[]) {
    this.path = path
    this.args = args
  }
}

/** Raw elements in a record of the archive. */
export class PyStorage {
  readonly dtype: PlainDType
  /** The record is `data/<key>`. */
  readonly key: string
  readonly elements: number
  constructor(dtype: PlainDType, key: string, elements: number) {
    this.dtype = dtype
    this.key = key
    this.elements = elements
  }
}

/** A view of a storage. */
export class PyTensor {
  readonly storage: PyStorage
  /** In elements, like the strides. */
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
  constructor(storage: PyStorage, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage
    this.offset = offset
    this.shape = shape
    this.strides = strides
  }
}

/** Anything on the unpickler's stack. */
export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PyValue[]
  | PyTuple
  | PyDict
  | PySet
  | PyGlobal
  | PyRecord
  | PyStorage
  | PyTensor
