/** Tensors with values as inputs of a program. */
import { DisposedError, DonatedError, FailedError, InternalError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import type { Backend, DeviceBuffer } from '../program/backend.js'
import { showShape } from '../shape.js'
import { bytesToDeviceBytes } from './hostBytes.js'
import { own } from './memory.js'

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
      if (tensor.storage?.kind === 'device' && tensor.storage.backend.closed)
        throw new DisposedError(
          `${reader}: tensor ${what} lives on backend "${tensor.storage.backend.name}", which was closed; read values before closing it`,
        )
  }
}

/**
 * The buffer of a tensor on a backend; a host value is uploaded once and stays there.
 * @throws InternalError for a lazy tensor, DisposedError for another backend's
 */
export async function bindInput(tensor: Tensor, backend: Backend): Promise<DeviceBuffer> {
  checkReadable(tensor, 'evaluate')
  const { storage } = tensor
  if (storage === null) throw new InternalError(`a ${tensor.state} tensor was bound as an input`)
  if (storage.kind === 'host') return upload(tensor, storage.bytes, backend)
  if (storage.backend !== backend)
    throw new DisposedError(
      `evaluate: tensor ${tensor.dtype} ${showShape(tensor.shape)} lives on backend "${storage.backend.name}" but the graph runs on "${backend.name}"; read it with bytes() and make a new tensor there`,
    )
  return storage.buffer
}

/**
 * Throws when a tensor that was bound before an await is no longer what was bound.
 * @throws DonatedError, DisposedError, FailedError
 */
export function checkBound(tensor: Tensor, buffer: DeviceBuffer): void {
  checkReadable(tensor, 'evaluate')
  if (tensor.storage?.kind !== 'device' || tensor.storage.buffer !== buffer)
    throw new DisposedError('evaluate: a tensor lost its value while the graph was prepared; keep it until then')
}

async function upload(tensor: Tensor, bytes: Uint8Array, backend: Backend): Promise<DeviceBuffer> {
  const deviceBytes = bytesToDeviceBytes(bytes, tensor.dtype, backend.capabilities.float64)
  const buffer = backend.allocate(deviceBytes.byteLength)
  own(tensor, backend, buffer)
  await backend.write(buffer, deviceBytes)
  return buffer
}
