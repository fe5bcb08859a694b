/** Shared by `evaluate` and compiled functions: output buffers and the fate of pending tensors. */
import { AllocationError } from '../errors.js'
import type { Tensor } from '../graph/tensor.js'
import type { Backend, DeviceBuffer } from '../program/backend.js'
import { collectGarbage, memoryReport, releaseTensor } from './memory.js'

/**
 * One buffer per size. All or nothing.
 * @throws AllocationError that names the largest owners
 */
export function allocateOutputs(backend: Backend, sizes: readonly number[]): DeviceBuffer[] {
  const buffers: DeviceBuffer[] = []
  try {
    for (const bytes of sizes) {
      checkSize(bytes, backend)
      buffers.push(backend.allocate(bytes))
    }
    return buffers
  } catch (error) {
    for (const buffer of buffers) backend.free(buffer)
    if (!(error instanceof AllocationError)) throw error
    const owners = memoryReport(backend, 5).largest.map(
      ({ bytes, what }) => `${(bytes / 2 ** 20).toFixed(1)} MiB ${what}`,
    )
    throw new AllocationError(
      `${error.message}${owners.length === 0 ? '' : `. Largest tensors: ${owners.join('; ')}`}`,
      error.requestedBytes,
      error.limitBytes,
    )
  }
}

function checkSize(bytes: number, backend: Backend): void {
  const limit = backend.capabilities.maxBufferBytes
  if (bytes > limit)
    throw new AllocationError(
      `evaluate: a tensor of ${bytes} bytes passes the limit of backend "${backend.name}" for one buffer, ${limit} bytes; work in parts`,
      bytes,
      limit,
    )
}

/** Runs `work`; when memory is short, lets dropped tensors be reclaimed and runs it once more. */
export async function retryAfterCollection<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AllocationError)) throw error
    await collectGarbage()
    return work()
  }
}

/** Marks pending tensors ready when their run ends, failed when it fails. */
export function settle(tensors: readonly Tensor[], run: Promise<unknown>): void {
  const done = run.then(
    () => {
      for (const tensor of tensors) {
        if (tensor.state === 'pending') tensor.state = 'ready'
        tensor.pending = null
      }
    },
    (reason: unknown) => {
      for (const tensor of tensors) fail(tensor, reason)
    },
  )
  for (const tensor of tensors) tensor.pending = done
}

function fail(tensor: Tensor, reason: unknown): void {
  tensor.pending = null
  if (tensor.state !== 'pending') return
  tensor.state = 'failed'
  tensor.reason = reason
  releaseTensor(tensor)
}
