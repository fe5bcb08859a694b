/** Tensors with values as inputs of a program. */
import { dtypeBytes } from '../dtype.js'
import { DisposedError, DonatedError, FailedError, InternalError, ShapeError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import type { Backend, DeviceBuffer } from '../program/backend.js'
import { showShape, sizeOf } from '../shape.js'
import { bytesToDeviceBytes, deviceBytesToBytes, storedBytes } from './hostBytes.js'
import { copyOf, own, ownCopy } from './memory.js'

/**
 * Throws when the value of a tensor is gone.
 * @throws DonatedError, DisposedError, FailedError
 */
export function checkReadable(tensor: Tensor, reader: string): void {
  const what = `${tensor.dtype} ${showShape(tensor.shape)}`
  switch (tensor.state) {
    case 'donated':
      throw new DonatedError(
        `${reader}: tensor ${what} was donated to a compiled call and is gone; use the tensors that the call returned`,
      )
    case 'disposed':
      throw new DisposedError(`${reader}: tensor ${what} was disposed; keep it until its last use`)
    case 'failed':
      throw new FailedError(
        `${reader}: tensor ${what} has no value because its run failed: ${tensor.reason instanceof Error ? tensor.reason.message : String(tensor.reason)}`,
        { cause: tensor.reason },
      )
    default:
      if (tensor.storage?.kind === 'device' && tensor.storage.backend.closed) rescue(tensor, reader, what)
  }
}

/** A value whose backend was closed lives on when host data was copied to another backend too. */
function rescue(tensor: Tensor, reader: string, what: string): void {
  const { backend } = tensor.storage as DeviceStorage
  const copy = copyOf(tensor)
  if (copy === undefined)
    throw new DisposedError(
      `${reader}: tensor ${what} lives on backend "${backend.name}", which was closed; ${
        movable.has(tensor)
          ? `its host memory was given back, because it is larger than ${KEPT_BYTES / 2 ** 20} MiB: make it again from its data`
          : 'read values before closing it'
      }`,
    )
  tensor.storage = { kind: 'device', ...copy }
}

type DeviceStorage = Extract<Tensor['storage'], { kind: 'device' }>

/** Host data up to this size is kept when it is copied to a device. What is larger would take its memory twice. */
const KEPT_BYTES = 2 ** 20

/** Tensors made of host data whose host bytes were given back: they move to another backend when they are used there. */
const movable = new WeakSet<Tensor>()

/**
 * The buffer of a tensor on a backend. Host data is copied to every backend that uses it, once.
 * @throws InternalError for a lazy tensor; DisposedError for a value that was computed on another backend; ShapeError when
 *   its shape was changed from outside
 */
export async function bindInput(tensor: Tensor, backend: Backend): Promise<DeviceBuffer> {
  checkReadable(tensor, 'evaluate')
  const { storage } = tensor
  if (storage === null) throw new InternalError(`a ${tensor.state} tensor was bound as an input`)
  const known = bufferOn(tensor, backend)
  if (known !== undefined) {
    checkSize(tensor, known.bytes, storedBytes(tensor.dtype, backend.capabilities.float64))
    return known
  }
  if (storage.kind === 'host') return uploadHost(tensor, storage.bytes, backend)
  if (!movable.has(tensor))
    throw new DisposedError(
      `evaluate: tensor ${tensor.dtype} ${showShape(tensor.shape)} was computed on ${other(storage.backend, backend)}; read it with bytes() and make a new tensor with fromBytes`,
    )
  const { float64 } = storage.backend.capabilities
  const bytes = deviceBytesToBytes(await storage.backend.read(storage.buffer), tensor.dtype, float64)
  return upload(tensor, bytes, backend, ownCopy)
}

/** Two backends may have one name. */
function other(owner: Backend, runner: Backend): string {
  return owner.name === runner.name
    ? `another backend of the name "${owner.name}" than the one that the graph runs on`
    : `backend "${owner.name}" but the graph runs on "${runner.name}"`
}

/** Plain JavaScript can write into `shape` (freezing it made building a graph twice as slow): nothing may be read out of bounds then. */
export function checkSize(tensor: Tensor, bytes: number, elementBytes: number): void {
  if (sizeOf(tensor.shape) * elementBytes > bytes)
    throw new ShapeError(
      `evaluate: a shape never changes, got ${tensor.dtype} ${showShape(tensor.shape)} for a value of ${bytes} bytes; do not write into x.shape, use reshape`,
    )
}

function bufferOn(tensor: Tensor, backend: Backend): DeviceBuffer | undefined {
  const { storage } = tensor
  if (storage?.kind === 'device' && storage.backend === backend) return storage.buffer
  return copyOf(tensor, backend)?.buffer
}

/**
 * Throws when a tensor that was bound before an await is no longer what was bound.
 * @throws DonatedError, DisposedError, FailedError
 */
export function checkBound(tensor: Tensor, buffer: DeviceBuffer, backend: Backend): void {
  checkReadable(tensor, 'evaluate')
  if (bufferOn(tensor, backend) !== buffer)
    throw new DisposedError('evaluate: a tensor lost its value while the graph was prepared; keep it until then')
}

function uploadHost(tensor: Tensor, bytes: Uint8Array, backend: Backend): Promise<DeviceBuffer> {
  checkSize(tensor, bytes.byteLength, dtypeBytes(tensor.dtype))
  if (bytes.byteLength <= KEPT_BYTES) return upload(tensor, bytes, backend, ownCopy)
  movable.add(tensor)
  return upload(tensor, bytes, backend, own)
}

async function upload(
  tensor: Tensor,
  bytes: Uint8Array,
  backend: Backend,
  keep: typeof own | typeof ownCopy,
): Promise<DeviceBuffer> {
  const deviceBytes = bytesToDeviceBytes(bytes, tensor.dtype, backend.capabilities.float64)
  const buffer = backend.allocate(deviceBytes.byteLength)
  keep(tensor, backend, buffer)
  await backend.write(buffer, deviceBytes)
  return buffer
}
