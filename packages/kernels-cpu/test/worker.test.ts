import {
  AllocationError,
  ArgumentError,
  BackendUnavailableError,
  DisposedError,
  InternalError,
  type DeviceBuffer,
  type FusedStep,
  type Program,
} from '@tarazed/tensor'
import { backendSuite } from '@tarazed/tensor/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromPlainError, toPlainError } from '../src/engine/plainError.js'
import { openCpu, type CpuBackend } from '../src/index.js'
import { emptyOperand, floatOperand, programOf, runOnEngine } from './fusedHarness.js'
import { openInNodeWorker, openNodePort } from './nodePort.js'
import { Dice, randomCase } from './randomStep.js'
import { affine, StepBuilder } from './stepBuilder.js'

backendSuite({
  describe,
  it,
  beforeAll,
  afterAll,
  name: 'cpu in a worker without shared memory',
  open: () => openInNodeWorker(),
  openLimited: (memoryLimitBytes) => openInNodeWorker({ memoryLimitBytes }),
  graphs: 10,
})

const MIB = 1 << 20
const COUNT = 1000

function incrementStep(length: number): FusedStep {
  const b = new StepBuilder([], length)
  const x = b.load(0, 'f32', affine([1]))
  b.store(1, 'f32', affine([1]), b.binary('add', x, b.constant('f32', 1)))
  return b.step('increment')
}

function increment(length: number): Program {
  return programOf(incrementStep(length), [emptyOperand('f32', length), emptyOperand('f32', length)])
}

async function firstFloat(bytes: Promise<Uint8Array>): Promise<number> {
  return new Float32Array((await bytes).buffer)[0]
}

describe('an engine in a worker', () => {
  let remote: CpuBackend
  let direct: CpuBackend

  beforeAll(async () => {
    remote = await openInNodeWorker()
    direct = await openCpu({ threads: 0 })
  })

  afterAll(() => Promise.all([remote.close(), direct.close()]))

  it('gives the bits of the engine on the calling thread', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const { step, operands, params, types } = randomCase(new Dice(seed * 104729), { outer: [7, 3], inner: 37 })
      const expected = await runOnEngine(direct, step, operands, params, types)
      const got = await runOnEngine(remote, step, operands, params, types)
      got.forEach((bytes, k) => expect(Buffer.compare(bytes, expected[k]), `seed ${seed}, operand ${k}`).toBe(0))
    }
  })

  it('has the capabilities and counts what the engine on the calling thread counts', async () => {
    expect(remote.capabilities).toEqual(direct.capabilities)
    const counted: unknown[] = []
    for (const backend of [await openInNodeWorker(), await openCpu({ threads: 0 })]) {
      const executable = await backend.load(increment(COUNT))
      const buffers = [backend.allocate(4 * COUNT), backend.allocate(4 * COUNT + 4)]
      await backend.run(executable, { inputs: buffers, outputs: [], params: [] })
      backend.free(buffers[1])
      await backend.sync()
      counted.push({ ...backend.counters })
      await backend.close()
    }
    expect(counted[0]).toEqual(counted[1])
    expect(counted[0]).toMatchObject({ programsLoaded: 1, programsRun: 1, stepsRun: 1, kernelsCompiled: 1 })
  })

  it('goes on counting from where a caller has reset the counters', async () => {
    const executable = await remote.load(increment(COUNT))
    const buffer = remote.allocate(4 * COUNT)
    remote.counters.programsRun = 0
    await remote.run(executable, { inputs: [buffer, buffer], outputs: [], params: [] })
    expect(remote.counters.programsRun).toBe(1)
    remote.free(buffer)
  })

  it('carries out runs, reads and writes in flight in the order of the calls', async () => {
    const executable = await remote.load(increment(COUNT))
    const buffer = remote.allocate(4 * COUNT)
    const bindings = { inputs: [buffer, buffer], outputs: [], params: [] }
    const bytes = new Uint8Array(4 * COUNT)
    const done: string[] = []
    const all = [remote.write(buffer, bytes).then(() => done.push('write'))]
    for (let k = 0; k < 200; k++) all.push(remote.run(executable, bindings).then(() => done.push(`run ${k}`)))
    const middle = remote.read(buffer, 0, 4)
    const written = remote.write(buffer, floatOperand([1000]).bytes)
    all.push(remote.run(executable, bindings).then(() => done.push('last')))
    const end = remote.read(buffer, 0, 4)
    expect(await firstFloat(middle)).toBe(200)
    expect(await firstFloat(end)).toBe(1001)
    await Promise.all([...all, written])
    expect(done).toEqual(['write', ...Array.from({ length: 200 }, (_, k) => `run ${k}`), 'last'])
    remote.free(buffer)
    remote.unload(executable)
  })

  it('keeps the bytes as they were when they were written, and leaves them with the caller', async () => {
    const buffer = remote.allocate(16)
    const bytes = Uint8Array.from({ length: 16 }, (_, k) => k)
    const written = remote.write(buffer, bytes.subarray(4, 12), 4)
    bytes.fill(99)
    await written
    expect(bytes.byteLength).toBe(16)
    expect([...(await remote.read(buffer, 4, 8))]).toEqual([4, 5, 6, 7, 8, 9, 10, 11])
    remote.free(buffer)
  })

  it('gives the memory of a freed buffer only to later runs', async () => {
    const executable = await remote.load(increment(COUNT))
    const input = remote.allocate(4 * COUNT)
    await remote.write(input, new Uint8Array(4 * COUNT))
    const live = remote.counters.liveBytes
    const reads: Promise<Uint8Array>[] = []
    for (let k = 0; k < 20; k++) {
      const output = remote.allocate(4 * COUNT)
      void remote.run(executable, { inputs: [input, output], outputs: [], params: [] })
      reads.push(remote.read(output, 0, 4))
      remote.free(output)
    }
    for (const read of reads) expect(await firstFloat(read)).toBe(1)
    expect(remote.counters.liveBytes).toBe(live)
    remote.free(input)
  })

  it('profiles the steps of a program', async () => {
    const executable = await remote.load(increment(COUNT))
    const buffer = remote.allocate(4 * COUNT)
    const [step] = await remote.profile(executable, { inputs: [buffer, buffer], outputs: [], params: [] })
    expect(step.label).toBe('increment')
    expect(step.microseconds).toBeGreaterThanOrEqual(0)
    remote.free(buffer)
  })

  it('rejects wrong bindings and ranges with the errors of the engine on the calling thread', async () => {
    const attempts: ((backend: CpuBackend) => Promise<unknown>)[] = [
      async (backend) => backend.read(backend.allocate(8), 4, 8),
      async (backend) => backend.write(backend.allocate(8), new Uint8Array(9)),
      async (backend) => backend.run(await backend.load(increment(4)), { inputs: [], outputs: [], params: [] }),
      async (backend) => {
        const small = backend.allocate(8)
        await backend.run(await backend.load(increment(4)), { inputs: [small, small], outputs: [], params: [] })
      },
      async (backend) => backend.load({ ...increment(4), arenaBytes: 2 ** 33 }),
      async (backend) => {
        const executable = await backend.load(increment(4))
        backend.unload(executable)
        await backend.run(executable, { inputs: [], outputs: [], params: [] })
      },
    ]
    for (const attempt of attempts) {
      const [got, expected] = [await rejectionOf(attempt(remote)), await rejectionOf(attempt(direct))]
      expect(got).toBeInstanceOf(expected.constructor)
      // Bytes in use differ, since these are two engines with a past of their own.
      const message = (error: Error) => error.message.replace(/but \d+ of/, 'but … of')
      expect(message(got)).toBe(message(expected))
      expect(Object.keys(got).sort()).toEqual(Object.keys(expected).sort())
    }
  })

  it('refuses buffers and executables of another backend, and buffers that were freed', async () => {
    const foreign = direct.allocate(16)
    const freed = remote.allocate(16)
    remote.free(freed)
    await expect(remote.read(foreign)).rejects.toThrow(ArgumentError)
    await expect(remote.read(freed)).rejects.toThrow(InternalError)
    expect(() => remote.free(freed)).toThrow(InternalError)
    const executable = await direct.load(increment(4))
    await expect(remote.run(executable, { inputs: [], outputs: [], params: [] })).rejects.toThrow(ArgumentError)
    direct.free(foreign)
  })

  it('sends buffers along with the next request when a program cannot be sent', async () => {
    const buffer = remote.allocate(4)
    const unsendable = { ...increment(4), steps: [() => {}] } as unknown as Program
    await expect(remote.load(unsendable)).rejects.toThrow(/could not be cloned/)
    await remote.write(buffer, floatOperand([5]).bytes)
    expect(await firstFloat(remote.read(buffer))).toBe(5)
    remote.free(buffer)
  })
})

describe('memory of an engine in a worker', () => {
  it('is refused at once beyond the limit, with its numbers, and can be had again when buffers are freed', async () => {
    const backend = await openInNodeWorker({ memoryLimitBytes: 8 * MIB })
    const kept = backend.allocate(6 * MIB)
    const refused = catchError(() => backend.allocate(2 * MIB)) as AllocationError
    expect(refused).toBeInstanceOf(AllocationError)
    expect(refused.message).toMatch(/a buffer needs 2097152 bytes, but 6291456 of at most 8388608 are in use/)
    expect([refused.requestedBytes, refused.limitBytes]).toEqual([2 * MIB, 8 * MIB])
    backend.free(kept)
    for (let k = 0; k < 20; k++) {
      const buffer = backend.allocate(5 * MIB)
      await backend.write(buffer, Uint8Array.of(k), 5 * MIB - 1)
      expect((await backend.read(buffer, 5 * MIB - 1))[0]).toBe(k)
      backend.free(buffer)
    }
    await backend.close()
  })

  it('counts what programs take of it', async () => {
    const backend = await openInNodeWorker({ memoryLimitBytes: 8 * MIB })
    await backend.load({ ...increment(4), arenaBytes: 4 * MIB })
    expect(backend.counters.liveBytes).toBeGreaterThanOrEqual(4 * MIB)
    expect(() => backend.allocate(4 * MIB)).toThrow(AllocationError)
    await expect(backend.load({ ...increment(8), arenaBytes: 64 * MIB })).rejects.toMatchObject({
      name: 'AllocationError',
      requestedBytes: 64 * MIB,
      limitBytes: 8 * MIB,
    })
    await backend.close()
  })

  it('that gaps make too small fails what uses the buffer, and nothing else', async () => {
    const backend = await openInNodeWorker({ memoryLimitBytes: 8 * MIB })
    const [first, middle, last] = [3 * MIB, MIB, 3 * MIB].map((bytes) => backend.allocate(bytes))
    backend.free(first)
    backend.free(last)
    const between: DeviceBuffer = backend.allocate(4 * MIB) // fits by its size, but into neither gap
    await expect(backend.write(between, new Uint8Array(4))).rejects.toThrow(AllocationError)
    await expect(backend.read(between)).rejects.toThrow(AllocationError)
    await backend.write(middle, Uint8Array.of(7))
    expect((await backend.read(middle, 0, 1))[0]).toBe(7)
    backend.free(between)
    backend.free(middle)
    const whole = backend.allocate(7 * MIB)
    await backend.write(whole, new Uint8Array(7 * MIB))
    await backend.close()
  })
})

describe('the end of an engine in a worker', () => {
  it('waits for the runs before it and rejects everything after it', async () => {
    const backend = await openInNodeWorker()
    const executable = await backend.load(increment(COUNT))
    const buffer = backend.allocate(4 * COUNT)
    const bindings = { inputs: [buffer, buffer], outputs: [], params: [] }
    await backend.write(buffer, new Uint8Array(4 * COUNT))
    for (let k = 0; k < 50; k++) void backend.run(executable, bindings)
    const read = backend.read(buffer, 0, 4)
    const closed = backend.close()
    expect(backend.closed).toBe(true)
    await expect(backend.run(executable, bindings)).rejects.toThrow(DisposedError)
    expect(() => backend.allocate(4)).toThrow(DisposedError)
    expect(() => backend.free(buffer)).not.toThrow()
    await closed
    expect(await firstFloat(read)).toBe(50)
    await expect(backend.read(buffer)).rejects.toThrow(DisposedError)
    await backend.close()
  })

  it('comes to everything under way when the worker stops, and later calls name the reason', async () => {
    const port = openNodePort()
    const backend = await openInNodeWorker({ openPort: () => port })
    const buffer = backend.allocate(64)
    const read = backend.read(buffer)
    await port.terminate()
    await expect(read.then(() => backend.sync())).rejects.toThrow(/the engine's worker stopped: exit 1/)
    expect(() => backend.allocate(64)).toThrow(InternalError)
    await backend.close()
  })

  it('is said with the remedy when the worker cannot be started at all', async () => {
    const openPort = () => openNodePort(new URL('./thereIsNoSuchFile.mjs', import.meta.url))
    const error = await rejectionOf(openInNodeWorker({ openPort }))
    expect(error).toBeInstanceOf(BackendUnavailableError)
    expect(error.message).toMatch(/could not be started .*thereIsNoSuchFile.*threads: 0/)
  })

  it('is said with the remedy when the browser refuses the worker at once', async () => {
    const openPort = () => {
      throw new Error('SecurityError: of another origin')
    }
    const error = await rejectionOf(openInNodeWorker({ openPort }))
    expect(error).toBeInstanceOf(BackendUnavailableError)
    expect(error.message).toMatch(/could not be started .*another origin.*threads: 0/)
  })

  it('is said with the limit when the address range cannot be reserved', async () => {
    const openPort = () => {
      const port = openNodePort()
      // A limit that is no number stands for a browser that has no such range left: neither memory can be made.
      const post: typeof port.post = (command, transfer) => {
        const request = command.request.kind === 'open' ? { ...command.request, limitBytes: NaN } : command.request
        port.post({ ...command, request }, transfer)
      }
      return { ...port, post }
    }
    const error = await rejectionOf(openInNodeWorker({ openPort }))
    expect(error).toBeInstanceOf(AllocationError)
  })
})

describe('errors between threads', () => {
  it('keep class, message and fields', () => {
    const errors = [
      new AllocationError('a: full', 3, 2),
      new InternalError('b'),
      new DisposedError('c'),
      new WebAssembly.RuntimeError('unreachable'),
      new RangeError('d'),
    ]
    for (const error of errors) {
      const copy = fromPlainError(structuredClone(toPlainError(error)))
      expect(copy).toBeInstanceOf(error.constructor)
      expect(copy.message).toBe(error.message)
      expect(copy.stack).toBe(error.stack)
      expect({ ...copy }).toEqual({ ...error })
    }
  })

  it('of unknown kinds are errors with that name', () => {
    class OddError extends Error {
      override readonly name = 'OddError'
      readonly detail = { deep: () => {} }
      readonly code = 7
    }
    const copy = fromPlainError(structuredClone(toPlainError(new OddError('odd'))))
    expect(copy).toBeInstanceOf(Error)
    expect([copy.name, copy.message, (copy as OddError).code]).toEqual(['OddError', 'odd', 7])
    expect(fromPlainError(toPlainError('thrown text')).message).toBe('thrown text')
  })
})

async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  const outcome: unknown = await promise.catch((error: unknown) => error)
  if (outcome instanceof Error) return outcome
  throw new Error('nothing was rejected')
}

function catchError(action: () => unknown): unknown {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
