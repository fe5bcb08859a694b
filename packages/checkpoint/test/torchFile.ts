/** Makes files as `torch.save` would, and broken ones, byte by byte. */

const latin = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))

/** Joins bytes and texts (one byte to a character). */
export function joined(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const arrays = parts.map((part) => (typeof part === 'string' ? latin(part) : part))
  const bytes = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const array of arrays) {
    bytes.set(array, at)
    at += array.length
  }
  return bytes
}

const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer)
const u64 = (value: number) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
const u16 = (value: number) => new Uint8Array(Uint16Array.of(value).buffer)

/** Pieces of pickles of protocol 2. */
export const P = {
  start: '\x80\x02',
  stop: '.',
  none: 'N',
  global: (module: string, member: string) => `c${module}\n${member}\n`,
  text: (value: string) => {
    const bytes = new TextEncoder().encode(value)
    return joined('X', u32(bytes.length), bytes)
  },
  int: (value: number) => joined('J', u32(value)),
  tuple: (...items: readonly (Uint8Array | string)[]) => joined('(', ...items, 't'),
  dict: (...pairs: readonly (Uint8Array | string)[]) => joined('}', '(', ...pairs, 'u'),
  call: (callee: Uint8Array | string, ...args: readonly (Uint8Array | string)[]) =>
    joined(callee, P.tuple(...args), 'R'),
  storage: (kind: string, key: string, elements: number) =>
    joined(
      P.tuple(P.text('storage'), P.global('torch', `${kind}Storage`), P.text(key), P.text('cpu'), P.int(elements)),
      'Q',
    ),
  tensor: (storage: Uint8Array, offset: number, shape: readonly number[], strides: readonly number[]) =>
    P.call(
      P.global('torch._utils', '_rebuild_tensor_v2'),
      storage,
      P.int(offset),
      P.tuple(...shape.map(P.int)),
      P.tuple(...strides.map(P.int)),
      '\x89',
      P.call(P.global('collections', 'OrderedDict')),
    ),
  /** A whole pickle. */
  whole: (...parts: readonly (Uint8Array | string)[]) => joined(P.start, ...parts, P.stop),
}

/** How an archive differs from a plain one. */
export interface ZipChanges {
  /** Sizes and places in 64 bits, as files beyond 4 GiB have them. */
  readonly zip64?: boolean
  readonly method?: number
  readonly flags?: number
  readonly comment?: string
  readonly entryAt?: (name: string, at: number) => number
}

/** A zip archive of stored entries. */
export function zipOf(entries: readonly (readonly [string, Uint8Array])[], changes: ZipChanges = {}): Uint8Array {
  const { zip64 = false, method = 0, flags = 0, comment = '', entryAt = (_, at) => at } = changes
  const all = 0xffffffff
  const locals: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let at = 0
  for (const [name, bytes] of entries) {
    const sizes = joined(u32(bytes.length), u32(bytes.length))
    const nameBytes = latin(name)
    // An extra field of padding, as PyTorch aligns its records.
    const padding = joined(u16(0x4246), u16(5), 'ZZZZZ')
    const local = joined(
      'PK\x03\x04',
      u16(45),
      u16(flags),
      u16(method),
      u32(0),
      u32(0),
      sizes,
      u16(nameBytes.length),
      u16(padding.length),
      nameBytes,
      padding,
      bytes,
    )
    const place = entryAt(name, at)
    const wide = zip64 ? joined(u16(1), u16(24), u64(bytes.length), u64(bytes.length), u64(place)) : new Uint8Array(0)
    directory.push(
      joined(
        'PK\x01\x02',
        u16(45),
        u16(45),
        u16(flags),
        u16(method),
        u32(0),
        u32(0),
        zip64 ? joined(u32(all), u32(all)) : sizes,
        u16(nameBytes.length),
        u16(wide.length),
        u16(0),
        u16(0),
        u16(0),
        u32(0),
        u32(zip64 ? all : place),
        nameBytes,
        wide,
      ),
    )
    locals.push(local)
    at += local.length
  }
  const directoryBytes = joined(...directory)
  const end64 = joined(
    'PK\x06\x06',
    u64(44),
    u16(45),
    u16(45),
    u32(0),
    u32(0),
    u64(entries.length),
    u64(entries.length),
    u64(directoryBytes.length),
    u64(at),
  )
  const locator = joined('PK\x06\x07', u32(0), u64(at + directoryBytes.length), u32(1))
  const counts = zip64
    ? joined(u16(0xffff), u16(0xffff), u32(all), u32(all))
    : joined(u16(entries.length), u16(entries.length), u32(directoryBytes.length), u32(at))
  const end = joined('PK\x05\x06', u16(0), u16(0), counts, u16(comment.length), comment)
  return joined(...locals, directoryBytes, ...(zip64 ? [end64, locator] : []), end)
}

/** An archive of PyTorch: a pickle and storages by key. */
export function torchFile(
  pickle: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  changes: ZipChanges = {},
): Uint8Array {
  return zipOf(
    [
      ['archive/data.pkl', pickle],
      ['archive/byteorder', latin('little')],
      ...Object.entries(storages).map(([key, bytes]) => [`archive/data/${key}`, bytes] as const),
      ['archive/version', latin('3\n')],
    ],
    changes,
  )
}
