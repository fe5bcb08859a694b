/** What the sections of the backend suite share. */
import { DTYPES, isFloat, type DType } from '../../dtype.js'
import type { Tensor } from '../../graph/tensor.js'
import { sizeOf } from '../../shape.js'
import { tensor } from '../../ops/create.js'
import type { Backend } from '../../program/backend.js'
import { evaluateWith } from '../../runtime/evaluate.js'
import { bytes, data } from '../../runtime/read.js'
import { interpret } from '../interpret.js'
import { seededRandom } from '../random.js'
import { compare, DTYPE_TOLERANCE, scaled, type Tolerance } from '../tolerances.js'

/** The functions of a test framework that the suite calls: those of vitest fit. */
export interface TestKit {
  describe(name: string, body: () => void): void
  it(name: string, body: () => void | Promise<void>, timeoutMs?: number): void
  beforeAll(body: () => void | Promise<void>): void
  afterAll(body: () => void | Promise<void>): void
}

/** A backend under test, the test framework to use, and what the backend promises. */
export interface SuiteOptions extends TestKit {
  /** For test names. */
  readonly name: string
  /** Opens the backend once for the suite; it is closed at the end. */
  open(): Backend | Promise<Backend>
  /** Opens a second instance that may hold this many bytes; without it the tests of limits are left out. */
  openLimited?(limitBytes: number): Backend | Promise<Backend>
  /** Whether fused, unfused and repeated runs have equal bits; default true (WebGPU promises tolerances only). */
  readonly bitwise?: boolean
  /** What tolerances of floats are multiplied with; default 1 (see `MATH_FACTOR`). */
  readonly toleranceFactor?: number
  /** Random graphs for each property; default 40. */
  readonly graphs?: number
}

/** float64 backends: scalars may be held as the numbers they were given or as f32. */
const FLOAT64_SUITE: Tolerance = { rtol: 1e-6, atol: 1e-7 }

export interface CheckOptions {
  /** Instead of the dtype's tolerance. */
  readonly tolerance?: Tolerance
  /** What the dtype's tolerance is multiplied with; default 1. */
  readonly factor?: number
  /** Also that fused and unfused runs have equal bits; default true. */
  readonly unfused?: boolean
}

export class SuiteContext {
  readonly options: SuiteOptions
  #backend: Backend | null = null

  constructor(options: SuiteOptions) {
    this.options = options
  }

  get backend(): Backend {
    if (this.#backend === null) throw new Error('backendSuite: the backend is opened before the first test')
    return this.#backend
  }

  async open(): Promise<void> {
    this.#backend = await this.options.open()
  }

  async close(): Promise<void> {
    await this.#backend?.close()
  }

  has(dtype: DType): boolean {
    return this.backend.capabilities.dtypes.includes(dtype)
  }

  missing(): DType[] {
    return DTYPES.filter((dtype) => !this.has(dtype))
  }

  /**
   * A test that evaluates what `build` gives on the backend and compares it with the interpreter, element by element.
   * Freed memory is filled with NaN before, so that nobody relies on zeros.
   */
  test(name: string, build: () => Tensor | readonly Tensor[], options: CheckOptions = {}): void {
    this.options.it(name, () => this.check(build, options))
  }

  async check(build: () => Tensor | readonly Tensor[], options: CheckOptions = {}): Promise<void> {
    const fresh = (): Tensor[] => {
      const built = build()
      return Array.isArray(built) ? (built as Tensor[]) : [built as Tensor]
    }
    const outputs = fresh()
    if (outputs.some((output) => !this.has(output.dtype))) return
    const { float64 } = this.backend.capabilities
    const want = interpret(outputs, new Map(), { round: !float64 })
    await this.poison()
    await evaluateWith({ backend: this.backend }, outputs)
    for (const [k, output] of outputs.entries()) {
      const tolerance = options.tolerance ?? scaled(this.toleranceOf(output.dtype), options.factor ?? 1)
      const comparison = compare(await data(output), want[k], tolerance)
      if (!comparison.passed)
        throw new Error(`output ${k}, ${output.dtype} [${output.shape.join(', ')}]: ${comparison.message}`)
    }
    if (options.unfused !== false && this.bitwise) await this.checkUnfused(outputs, fresh())
  }

  get bitwise(): boolean {
    return this.options.bitwise ?? true
  }

  async checkUnfused(fused: readonly Tensor[], again: readonly Tensor[]): Promise<void> {
    await evaluateWith({ backend: this.backend, fuse: false }, again)
    for (const [k, output] of fused.entries()) {
      const [a, b] = [await bytes(output), await bytes(again[k])]
      const at = a.findIndex((byte, i) => byte !== b[i])
      if (at >= 0)
        throw new Error(
          `output ${k}, ${output.dtype} [${output.shape.join(', ')}]: fused and unfused differ at byte ${at}`,
        )
    }
  }

  toleranceOf(dtype: DType): Tolerance {
    if (!isFloat(dtype)) return DTYPE_TOLERANCE[dtype]
    return this.backend.capabilities.float64
      ? FLOAT64_SUITE
      : scaled(DTYPE_TOLERANCE[dtype], this.options.toleranceFactor ?? 1)
  }

  /** Leaves garbage in memory that the next run will be given. */
  async poison(): Promise<void> {
    const buffers = [64, 1024, 16384, 262144].map((size) => this.backend.allocate(size))
    await Promise.all(buffers.map((buffer) => this.backend.write(buffer, new Uint8Array(buffer.bytes).fill(0xff))))
    buffers.forEach((buffer) => this.backend.free(buffer))
  }
}

/** Seeded test data: floats in [low, high], integers between them, bool. */
export function noise(shape: readonly number[], dtype: DType = 'f32', low = -2, high = 2, seed = 1): Tensor {
  const random = seededRandom(seed + 31 * sizeOf(shape) + shape.length)
  const element = (): number => {
    if (dtype === 'bool') return random() < 0.5 ? 0 : 1
    const value = low + (high - low) * random()
    return isFloat(dtype) ? value : Math.round(value)
  }
  return tensor(Array.from({ length: sizeOf(shape) }, element), { shape, dtype })
}

/** @throws Error when the promise resolves, or fails with another error */
export async function mustReject(promise: Promise<unknown>, errorName: string, pattern: RegExp): Promise<void> {
  const failure: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  )
  if (!(failure instanceof Error))
    throw new Error(`must fail with ${errorName}, got ${failure === null ? 'no failure' : String(failure)}`)
  const chain: Error[] = []
  for (let error: unknown = failure; error instanceof Error; error = error.cause) chain.push(error)
  if (!chain.some((error) => error.name === errorName && pattern.test(error.message)))
    throw new Error(`must fail with ${errorName} matching ${pattern.source}, got ${failure.name}: ${failure.message}`)
}

export function mustEqual(got: unknown, want: unknown, what: string): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)]
  if (a !== b) throw new Error(`${what} must be ${b}, got ${a}`)
}
