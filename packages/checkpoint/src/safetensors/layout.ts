/** Plans a safetensors file: its header and the order of its tensors. */
import { checkObject } from '../arguments.js'
import { type TensorInfo } from '../checkpoint.js'
import { isPlainDType, layoutOf, plainDTypes } from '../dtype.js'
import { ArgumentError, quoted, shown } from '../errors.js'
import { checkTensors, type TensorToWrite } from '../tensorToWrite.js'
import { LENGTH_BYTES, MAX_HEADER_BYTES } from './header.js'

/** Strings that a safetensors file says about itself. */
export type SafetensorsMetadata = Readonly<Record<string, string>> | ReadonlyMap<string, string>

/** A file that is about to be written. */
export interface SafetensorsLayout {
  /** Length and header, padded so that tensors begin at multiples of 8. */
  readonly head: Uint8Array
  /** In the order of the file: wide types first, so that each is aligned; else as given. */
  readonly tensors: readonly (TensorToWrite & TensorInfo)[]
  /** Bytes of the whole file. */
  readonly size: number
}

/** @throws ArgumentError when a tensor cannot be stored: block types, doubled names */
export function planSafetensors(
  what: string,
  tensors: Iterable<TensorToWrite>,
  metadata: SafetensorsMetadata = {},
): SafetensorsLayout {
  const ordered = checkTensors(what, tensors)
  for (const tensor of ordered) checkStorable(what, tensor)
  ordered.sort((a, b) => layoutOf(b.dtype).blockBytes - layoutOf(a.dtype).blockBytes)
  const entries = new Map<string, unknown>()
  const notes = checkMetadata(what, metadata)
  if (notes.length > 0) entries.set('__metadata__', Object.fromEntries(notes))
  let at = 0
  for (const { name, dtype, shape, byteLength } of ordered) {
    entries.set(name, { dtype, shape, data_offsets: [at, at + byteLength] })
    at += byteLength
  }
  const head = encodeHead(what, entries)
  return { head, tensors: ordered, size: head.length + at }
}

function checkStorable(what: string, { name, dtype }: TensorInfo): void {
  if (name === '__metadata__') throw new ArgumentError(`${what}: no tensor may be named __metadata__`)
  if (!isPlainDType(dtype))
    throw new ArgumentError(
      `${what}: safetensors holds ${plainDTypes.join(' ')}, got ${dtype} for tensor ${quoted(name)}; ` +
        'convert with toFloat32 and fromFloat32, or write GGUF',
    )
}

function checkMetadata(what: string, metadata: SafetensorsMetadata): [string, string][] {
  checkObject(`${what}: metadata`, metadata)
  const notes = metadata instanceof Map ? [...metadata] : Object.entries(metadata)
  const wrong = notes.find(([, value]) => typeof value !== 'string')
  if (wrong !== undefined)
    throw new ArgumentError(`${what}: metadata must be strings, got ${shown(wrong[1])} for ${quoted(wrong[0])}`)
  return notes
}

/** Written entry by entry, since an object would put names like "0" first and swallow `__proto__`. */
function encodeHead(what: string, entries: ReadonlyMap<string, unknown>): Uint8Array {
  const members = [...entries].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`)
  const json = new TextEncoder().encode(`{${members.join(',')}}`)
  const padded = Math.ceil(json.length / 8) * 8
  if (padded > MAX_HEADER_BYTES)
    throw new ArgumentError(`${what}: the header may have ${MAX_HEADER_BYTES} bytes, got ${padded}; write more shards`)
  const head = new Uint8Array(LENGTH_BYTES + padded).fill(0x20)
  new DataView(head.buffer).setBigUint64(0, BigInt(padded), true)
  head.set(json, LENGTH_BYTES)
  return head
}
