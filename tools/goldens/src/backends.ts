/** Opens the one backend that the command line names; no other is loaded. */
import { type Backend, type Tensor } from '@tarazed/tensor'
import { bytesOf, type HostTensor } from './hostTensor.js'
import { tensorOf } from './stored.js'
import { mapTensors, tensorsOf } from './tensorTree.js'

/** What the backend did. */
export interface Counts {
  readonly programs: number
  readonly steps: number
  readonly kernels: number
}

/** Computes tensors for the cases. */
export interface Machine {
  readonly name: string
  readonly flushToZero: boolean
  /** What the tolerances of mathematical functions are multiplied with. */
  readonly mathFactor: number
  counts(): Counts
  /** Evaluates tensors together and copies their values out. */
  read(tensors: readonly Tensor[]): Promise<HostTensor[]>
  /** The same records of tensors with every value computed, so that what is built on them starts from there. */
  settle<T>(tree: T): Promise<T>
  close(): Promise<void>
}

/** The backend's name is unknown. */
export class UnknownBackendError extends Error {
  override readonly name = 'UnknownBackendError'
}

type Opener = () => Promise<Machine>

/** `interpret` is no backend: it walks the graph without compiler, planner or kernels, as a third opinion. */
const OPENERS: Record<string, Opener> = {
  cpu: () => openPackage('@tarazed/kernels-cpu', 'openCpu', 1),
  webgpu: () => openPackage('@tarazed/kernels-webgpu', 'openWebGpu', 4),
  cuda: () => openPackage('@tarazed/kernels-cuda', 'openCuda', 2),
  reference: openReferenceMachine,
  interpret: openInterpreter,
}

/**
 * @throws UnknownBackendError
 * @throws BackendUnavailableError when it cannot be opened here
 */
export async function openMachine(name: string): Promise<Machine> {
  if (!Object.hasOwn(OPENERS, name))
    throw new UnknownBackendError(`goldens: --backend must be cpu, webgpu, cuda or reference, got ${name}`)
  return OPENERS[name]()
}

async function openPackage(specifier: string, opener: string, mathFactor: number): Promise<Machine> {
  const module = await importPackage(specifier)
  const open = module[opener]
  if (open === undefined) throw new UnknownBackendError(`goldens: ${specifier} has no ${opener}`)
  return machineOf(await open(), mathFactor)
}

/** By a computed specifier: packages of backends that nobody asked for may be absent. */
async function importPackage(specifier: string): Promise<Record<string, (() => Promise<Backend>) | undefined>> {
  try {
    return (await import(specifier)) as Record<string, (() => Promise<Backend>) | undefined>
  } catch (cause) {
    const isAbsent = (cause as { code?: string }).code === 'ERR_MODULE_NOT_FOUND' && String(cause).includes(specifier)
    if (!isAbsent) throw cause
    throw new UnknownBackendError(`goldens: ${specifier} is not in this checkout; use --backend cpu or reference`, {
      cause,
    })
  }
}

async function openReferenceMachine(): Promise<Machine> {
  const { openReference } = await import('@tarazed/tensor')
  return machineOf(openReference(), 1)
}

async function machineOf(backend: Backend, mathFactor: number): Promise<Machine> {
  const { evaluate, setDefaultBackend } = await import('@tarazed/tensor')
  setDefaultBackend(backend)
  return {
    name: backend.name,
    flushToZero: backend.capabilities.flushToZero,
    mathFactor,
    counts: () => ({
      programs: backend.counters.programsRun,
      steps: backend.counters.stepsRun,
      kernels: backend.counters.kernelsCompiled,
    }),
    async read(tensors) {
      await evaluate(...tensors)
      return Promise.all(
        tensors.map(async (tensor) => ({ dtype: tensor.dtype, shape: tensor.shape, bytes: await tensor.bytes() })),
      )
    },
    async settle(tree) {
      await evaluate(...tensorsOf(tree))
      return tree
    },
    close: () => backend.close(),
  }
}

async function openInterpreter(): Promise<Machine> {
  const { interpret } = await import('@tarazed/tensor/testing')
  let runs = 0
  const read = (tensors: readonly Tensor[]): HostTensor[] => {
    runs++
    const values = interpret(tensors, new Map(), { round: true })
    return tensors.map(({ dtype, shape }, k) => ({ dtype, shape, bytes: bytesOf(values[k], dtype) }))
  }
  return {
    name: 'interpret',
    flushToZero: false,
    mathFactor: 1,
    counts: () => ({ programs: runs, steps: runs, kernels: 0 }),
    // Async, so that what the interpreter throws is a rejection.
    read: async (tensors) => read(tensors),
    async settle(tree) {
      const tensors = tensorsOf(tree)
      const values = new Map(read(tensors).map((host, k) => [tensors[k], tensorOf(host)]))
      return mapTensors(tree, (tensor) => values.get(tensor) ?? tensor)
    },
    close: () => Promise.resolve(),
  }
}
