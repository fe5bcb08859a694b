/** Opens a PyTorch `.bin`: a zip archive of one pickle and raw storages. */
import { checkChoice, checkMethods, checkOptions } from '../arguments.js'
import { makeCheckpoint, tensorInfo, type Checkpoint, type CheckpointParts, type StoredTensor } from '../checkpoint.js'
import { layoutOf } from '../dtype.js'
import { CheckpointError, quoted } from '../errors.js'
import { type ByteSource } from '../source.js'
import { recogniseStranger } from '../strangers.js'
import { collectTensors } from './collect.js'
import { unpickle, type PickleMode } from './unpickler.js'
import { type PyTensor } from './values.js'
import { readView } from './view.js'
import { entryStart, readZipDirectory, type ZipEntry } from './zip.js'

/** A pickle of more bytes is refused; those of the largest checkpoints have a few hundred kB. */
const MOST_PICKLE_BYTES = 64 * 2 ** 20

/** Options of {@link openPickle}. */
export interface OpenPickleOptions {
  /**
   * `weights` (default) refuses any name in the pickle that is not needed to rebuild tensors. `inspect` turns objects
   * of unknown classes into inert records, reads the tensors and names them by their path: for files of training tools
   * such as Megatron. Neither runs anything.
   */
  readonly mode?: PickleMode
}

/**
 * Opens a file of `torch.save`. The whole pickle is read and every storage checked before a tensor is handed out.
 * Tensors that share a storage are read each by itself.
 *
 * @throws CheckpointError when the file is broken, in an older format, or names anything outside the allow-list
 */
export async function openPickle(source: ByteSource, options: OpenPickleOptions = {}): Promise<Checkpoint> {
  checkMethods('openPickle: source', source, ['read'])
  checkOptions('openPickle', options, ['mode'])
  const { mode = 'weights' } = options
  checkChoice('openPickle: mode', mode, ['weights', 'inspect'])
  return makeCheckpoint(await readPickle(source, mode))
}

/** The parts of {@link openPickle}, for joining shards. */
export async function readPickle(source: ByteSource, mode: PickleMode = 'weights'): Promise<CheckpointParts> {
  await checkContainer(source)
  const entries = await readZipDirectory(source)
  const { root, pickle } = findPickle(source, entries)
  await checkByteOrder(source, entries.get(`${root}/byteorder`))
  const bytes = await readEntry(source, pickle)
  const top = unpickle(source.name, bytes, mode)
  const { tensors, metadata, warnings } = collectTensors(source.name, top, mode)
  const starts = new Map<string, Promise<number>>()
  const stored = [...tensors].map(([name, tensor]) => {
    const record = entries.get(`${root}/data/${tensor.storage.key}`)
    return storedTensor(source, name, tensor, checkRecord(source, root, name, tensor, record), starts)
  })
  return {
    format: 'pickle',
    name: source.name,
    metadata,
    tensors: stored,
    warnings,
    close: async () => source.close?.(),
  }
}

/** First bytes of the formats that `torch.save` wrote before the zip container. */
const LEGACY_START = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
const RESAVE =
  're-save it with a newer PyTorch: torch.save(torch.load(file, weights_only=True), file), best in a sandbox'

async function checkContainer(source: ByteSource): Promise<void> {
  const start = await source.read(0, Math.min(source.size, 512))
  if (start.length >= 4 && start[0] === 0x50 && start[1] === 0x4b) return
  const fail = (got: string, wayOut: string): never => {
    const rule = 'a PyTorch file must be a zip archive, as torch.save writes since version 1.6'
    throw new CheckpointError({ file: source.name, rule, got, wayOut })
  }
  if (LEGACY_START.every((byte, k) => start[k] === byte))
    fail('the legacy format of PyTorch before 1.6, not zip', RESAVE)
  if (String.fromCharCode(...start.subarray(257, 262)) === 'ustar')
    fail('the tar format of PyTorch before 0.1.10', RESAVE)
  if (start[0] === 0x80) fail('a bare pickle', RESAVE)
  fail('another format', recogniseStranger(start) ?? 'the file is damaged or no checkpoint: get it again')
}

function findPickle(
  source: ByteSource,
  entries: ReadonlyMap<string, ZipEntry>,
): { readonly root: string; readonly pickle: ZipEntry } {
  const pickles = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name))
  const [pickle] = pickles
  if (pickles.length !== 1 || pickle.size > MOST_PICKLE_BYTES)
    throw new CheckpointError({
      file: source.name,
      rule: `the archive must hold one data.pkl of at most ${MOST_PICKLE_BYTES} bytes`,
      got: pickles.length === 1 ? `${pickle.size} bytes` : `${pickles.length}`,
      wayOut: 'is it a zip archive of PyTorch?',
    })
  return { root: pickle.name.slice(0, -'/data.pkl'.length), pickle }
}

async function checkByteOrder(source: ByteSource, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return
  const order = String.fromCharCode(...(await readEntry(source, { ...entry, size: Math.min(entry.size, 16) })))
  if (order !== 'little')
    throw new CheckpointError({
      file: source.name,
      rule: 'storages must be little-endian',
      got: quoted(order),
      wayOut: 're-save it on a little-endian machine',
    })
}

async function readEntry(source: ByteSource, entry: ZipEntry): Promise<Uint8Array> {
  return source.read(await entryStart(source, entry), entry.size)
}

function checkRecord(
  source: ByteSource,
  root: string,
  tensor: string,
  { storage }: PyTensor,
  entry: ZipEntry | undefined,
): ZipEntry {
  const bytes = storage.elements * layoutOf(storage.dtype).blockBytes
  if (entry !== undefined && bytes <= entry.size) return entry
  throw new CheckpointError({
    file: source.name,
    tensor,
    rule: `record ${quoted(`${root}/data/${storage.key}`)} must hold ${storage.elements} ${storage.dtype} (${bytes} bytes)`,
    got: entry === undefined ? 'no such record' : `${entry.size} bytes`,
    wayOut: 'the file is damaged: get it again',
  })
}

function storedTensor(
  source: ByteSource,
  name: string,
  tensor: PyTensor,
  entry: ZipEntry,
  starts: Map<string, Promise<number>>,
): StoredTensor {
  const start = (): Promise<number> => {
    const known = starts.get(entry.name) ?? entryStart(source, entry)
    starts.set(entry.name, known)
    return known
  }
  return {
    info: tensorInfo(name, tensor.storage.dtype, tensor.shape),
    readElements: (from, to) =>
      readView(tensor, from, to, async (offset, length) => source.read((await start()) + offset, length)),
  }
}
