import { AllocationError, DisposedError, type FusedStep, type LoopStep, type Program, type Slot } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCpu, type CpuBackend } from '../src/index.js'
import { emptyOperand, floatOperand, programOf, runOnEngine } from './fusedHarness.js'
import { affine, StepBuilder } from './stepBuilder.js'

let two: CpuBackend

beforeAll(async () => {
  two = await openCpu({ threads: 2, relaxedSimd: false })
})

afterAll(() => two.close())

const LARGE = 300_000

/** y = exp(sin(x)) + x, large enough for the workers. */
function heavyStep(length: number): FusedStep {
  const b = new StepBuilder([], length)
  const x = b.load(0, 'f32', affine([1]))
  b.store(1, 'f32', affine([1]), b.binary('add', b.unary('exp', b.unary('sin', x)), x))
  return b.step('heavy')
}

function incrementStep(length: number, slotIn = 0, slotOut = 1): FusedStep {
  const b = new StepBuilder([], length)
  const x = b.load(slotIn, 'f32', affine([1]))
  b.store(slotOut, 'f32', affine([1]), b.binary('add', x, b.constant('f32', 1)))
  return b.step('increment')
}

function ramp(length: number): Float32Array {
  return Float32Array.from({ length }, (_, k) => (k % 1000) / 100)
}

function f32Slot(elements: number, place: Slot['place']): Slot {
  return { dtype: 'f32', elements, bytes: 4 * elements, place }
}

async function readFloats(backend: CpuBackend, buffer: Parameters<CpuBackend['read']>[0]): Promise<Float32Array> {
  return new Float32Array((await backend.read(buffer)).buffer)
}

describe('the CPU engine', () => {
  it('gives the same bits on the calling thread, on one worker and on two', async () => {
    const results: Uint8Array[] = []
    for (const threads of [0, 1, 2]) {
      const backend = threads === 2 ? two : await openCpu({ threads, relaxedSimd: false })
      const [, out] = await runOnEngine(backend, heavyStep(LARGE), [
        floatOperand(ramp(LARGE)),
        emptyOperand('f32', LARGE),
      ])
      results.push(out)
      if (backend !== two) await backend.close()
    }
    expect(Buffer.compare(results[0], results[1])).toBe(0)
    expect(Buffer.compare(results[0], results[2])).toBe(0)
  })

  it('runs many enqueued runs in the order of the calls', async () => {
    const executable = await two.load(
      programOf(incrementStep(LARGE), [floatOperand(ramp(LARGE)), emptyOperand('f32', LARGE)]),
    )
    const small = await two.load(programOf(incrementStep(16), [floatOperand(ramp(16)), emptyOperand('f32', 16)]))
    const a = two.allocate(4 * LARGE)
    const b = two.allocate(4 * LARGE)
    await two.write(a, new Uint8Array(4 * LARGE))
    const runs: Promise<void>[] = []
    for (let k = 0; k < 300; k++) {
      runs.push(two.run(executable, { inputs: [a, b], outputs: [], params: [] }))
      runs.push(two.run(executable, { inputs: [b, a], outputs: [], params: [] }))
      runs.push(two.run(small, { inputs: [a, a], outputs: [], params: [] }))
    }
    const middle = two.read(a, 0, 4)
    runs.push(two.run(executable, { inputs: [a, a], outputs: [], params: [] }))
    const [, values] = [await Promise.all(runs), await readFloats(two, a)]
    expect(new Float32Array((await middle).buffer)[0]).toBe(900)
    expect(values[0]).toBe(901)
    expect(values[LARGE - 1]).toBe(601)
    two.free(a)
    two.free(b)
  })

  it('orders writes with runs, and keeps the bytes as they were at the call', async () => {
    const executable = await two.load(
      programOf(incrementStep(LARGE), [floatOperand(ramp(LARGE)), emptyOperand('f32', LARGE)]),
    )
    const a = two.allocate(4 * LARGE)
    const bytes = new Uint8Array(4 * LARGE)
    void two.write(a, bytes)
    void two.run(executable, { inputs: [a, a], outputs: [], params: [] })
    const before = two.read(a, 0, 4)
    const written = two.write(a, bytes)
    bytes.fill(77)
    void two.run(executable, { inputs: [a, a], outputs: [], params: [] })
    await written
    const values = await readFloats(two, a)
    expect(new Float32Array((await before).buffer)[0]).toBe(1)
    expect(values[LARGE - 1]).toBe(1)
    two.free(a)
  })

  it('reuses memory that is freed while runs are under way only for later runs', async () => {
    const executable = await two.load(
      programOf(heavyStep(LARGE), [floatOperand(ramp(LARGE)), emptyOperand('f32', LARGE)]),
    )
    const input = two.allocate(4 * LARGE)
    await two.write(input, floatOperand(ramp(LARGE)).bytes)
    const before = two.counters.liveBytes
    const reads: Promise<Uint8Array>[] = []
    for (let k = 0; k < 20; k++) {
      const output = two.allocate(4 * LARGE)
      void two.run(executable, { inputs: [input, output], outputs: [], params: [] })
      reads.push(two.read(output))
      two.free(output)
    }
    const all = await Promise.all(reads)
    for (const bytes of all) expect(Buffer.compare(bytes, all[0])).toBe(0)
    expect(two.counters.liveBytes).toBe(before)
    two.free(input)
  })

  it('refuses memory beyond its limit with the way out, and stays usable', async () => {
    const backend = await openCpu({ threads: 1, memoryLimitBytes: 8 << 20 })
    const kept = backend.allocate(1 << 20)
    expect(() => backend.allocate(16 << 20)).toThrow(AllocationError)
    expect(() => backend.allocate(16 << 20)).toThrow(/memoryLimitBytes/)
    const program = {
      ...programOf(incrementStep(4), [floatOperand([1, 2, 3, 4]), emptyOperand('f32', 4)]),
      arenaBytes: 64 << 20,
    }
    await expect(backend.load(program)).rejects.toThrow(AllocationError)
    await backend.write(kept, new Uint8Array(1 << 20))
    for (let k = 0; k < 100; k++) backend.free(backend.allocate(5 << 20))
    await backend.close()
  })

  it('rejects what is asked of a closed backend, and another one can be opened', async () => {
    const backend = await openCpu({ threads: 1 })
    const buffer = backend.allocate(64)
    await backend.close()
    expect(backend.closed).toBe(true)
    expect(() => backend.allocate(64)).toThrow(DisposedError)
    await expect(backend.read(buffer)).rejects.toThrow(/closed/)
    const again = await openCpu({ threads: 1 })
    const [, out] = await runOnEngine(again, incrementStep(5), [floatOperand([1, 2, 3, 4, 5]), emptyOperand('f32', 5)])
    expect([...new Float32Array(out.buffer)]).toEqual([2, 3, 4, 5, 6])
    await again.close()
  })

  it('ends the runs that are under way before it closes', async () => {
    const backend = await openCpu({ threads: 2 })
    const executable = await backend.load(
      programOf(heavyStep(LARGE), [floatOperand(ramp(LARGE)), emptyOperand('f32', LARGE)]),
    )
    const buffers = [backend.allocate(4 * LARGE), backend.allocate(4 * LARGE)]
    const runs = [1, 2, 3].map(() => backend.run(executable, { inputs: buffers, outputs: [], params: [] }))
    await backend.close()
    await expect(Promise.all(runs)).resolves.toHaveLength(3)
  })

  it('compiles equal steps of different programs once', async () => {
    const backend = await openCpu({ threads: 0 })
    const operands = [floatOperand(ramp(40)), emptyOperand('f32', 40)]
    await backend.load(programOf(incrementStep(40), operands))
    const before = backend.counters.kernelsCompiled
    await backend.load(programOf({ ...incrementStep(40), label: 'other' }, operands))
    expect(backend.counters.kernelsCompiled).toBe(before)
    await backend.load(programOf(incrementStep(41), [floatOperand(ramp(41)), emptyOperand('f32', 41)]))
    expect(backend.counters.kernelsCompiled).toBe(before + 1)
    await backend.close()
  })

  it('times every step', async () => {
    for (const length of [64, LARGE]) {
      const slots = [
        f32Slot(length, { kind: 'input', index: 0 }),
        f32Slot(length, { kind: 'temp', offset: 0 }),
        f32Slot(length, { kind: 'output', index: 0 }),
      ]
      const steps = [
        { ...heavyStep(length), operands: [0, 1] },
        { ...incrementStep(length), operands: [1, 2] },
      ]
      const program: Program = { slots, params: [], steps, arenaBytes: 4 * length, inputCount: 1, outputCount: 1 }
      const executable = await two.load(program)
      const bindings = { inputs: [two.allocate(4 * length)], outputs: [two.allocate(4 * length)], params: [] }
      const profile = await two.profile(executable, bindings)
      expect(profile.map((step) => step.label)).toEqual(['heavy', 'increment'])
      for (const { microseconds } of profile) expect(microseconds).toBeGreaterThanOrEqual(0)
      expect(profile[0].microseconds + profile[1].microseconds).toBeGreaterThan(0)
    }
  })
})

/** carry' = carry + x[t]; y[t] = carry' · 2, through a temp of the body. */
function scanProgram(length: number, trips: number, reverse: boolean): Program {
  const add = new StepBuilder([], length)
  const sum = add.binary('add', add.load(0, 'f32', affine([1])), add.load(1, 'f32', affine([1])))
  add.store(2, 'f32', affine([1]), sum)
  const double = new StepBuilder([], length)
  const x = double.load(0, 'f32', affine([1]))
  double.store(1, 'f32', affine([1]), x)
  double.store(2, 'f32', affine([1]), double.binary('mul', x, double.constant('f32', 2)))
  const body: Program = {
    slots: [
      f32Slot(length, { kind: 'input', index: 0 }),
      f32Slot(length, { kind: 'input', index: 1 }),
      f32Slot(length, { kind: 'temp', offset: 0 }),
      f32Slot(length, { kind: 'output', index: 0 }),
      f32Slot(length, { kind: 'output', index: 1 }),
    ],
    params: [],
    steps: [
      { ...add.step('add'), operands: [0, 1, 2] },
      { ...double.step('double'), operands: [2, 3, 4] },
    ],
    arenaBytes: 4 * length,
    inputCount: 2,
    outputCount: 2,
  }
  const carryBytes = Math.ceil((4 * length) / 64) * 64
  const loop: LoopStep = {
    kind: 'loop',
    trips,
    reverse,
    body,
    arenaOffset: 2 * carryBytes,
    inputs: [
      { kind: 'carry', carry: 0 },
      { kind: 'slice', slot: 1, elements: length },
    ],
    outputs: [
      { kind: 'carry', carry: 0 },
      { kind: 'slice', slot: 3, elements: length },
    ],
    carries: [{ init: 0, final: 2, buffers: [4, 5] }],
  }
  return {
    slots: [
      f32Slot(length, { kind: 'input', index: 0 }),
      f32Slot(length * trips, { kind: 'input', index: 1 }),
      f32Slot(length, { kind: 'output', index: 0 }),
      f32Slot(length * trips, { kind: 'output', index: 1 }),
      f32Slot(length, { kind: 'temp', offset: 0 }),
      f32Slot(length, { kind: 'temp', offset: carryBytes }),
    ],
    params: [],
    steps: [loop],
    arenaBytes: 3 * carryBytes,
    inputCount: 2,
    outputCount: 2,
  }
}

describe('loop steps', () => {
  for (const [length, trips] of [
    [5, 1],
    [5, 2],
    [5, 7],
    [7, 0],
    [200_000, 3],
  ] as const) {
    for (const reverse of [false, true]) {
      it(`run ${trips} trips over ${length} elements${reverse ? ' backwards' : ''} with carries and slices`, async () => {
        const executable = await two.load(scanProgram(length, trips, reverse))
        const init = ramp(length)
        const x = ramp(length * trips)
        const inputs = [two.allocate(4 * length), two.allocate(4 * length * trips)]
        const outputs = [two.allocate(4 * length), two.allocate(4 * length * trips)]
        await two.write(inputs[0], floatOperand(init).bytes)
        await two.write(inputs[1], floatOperand(x).bytes)
        await two.run(executable, { inputs, outputs, params: [] })
        const carry = init.slice()
        const y = new Float32Array(length * trips)
        for (let trip = 0; trip < trips; trip++) {
          const at = (reverse ? trips - 1 - trip : trip) * length
          for (let k = 0; k < length; k++) {
            carry[k] += x[at + k]
            y[at + k] = carry[k] * 2
          }
        }
        expect(Buffer.compare(await two.read(outputs[0]), new Uint8Array(carry.buffer))).toBe(0)
        expect(Buffer.compare(await two.read(outputs[1]), new Uint8Array(y.buffer))).toBe(0)
      })
    }
  }
})

describe('many programs', () => {
  it('reach workers that start late, more modules than the ring of commands holds', async () => {
    const backend = await openCpu({ threads: 2 })
    for (let length = 1; length <= 600; length++) {
      await backend.load(programOf(incrementStep(length), [emptyOperand('f32', length), emptyOperand('f32', length)]))
    }
    const [, out] = await runOnEngine(backend, heavyStep(LARGE), [
      floatOperand(ramp(LARGE)),
      emptyOperand('f32', LARGE),
    ])
    expect(new Float32Array(out.buffer)[0]).toBe(1)
    for (let length = 601; length <= 1200; length++) {
      await backend.load(programOf(incrementStep(length), [emptyOperand('f32', length), emptyOperand('f32', length)]))
    }
    const [, next] = await runOnEngine(backend, incrementStep(LARGE), [
      floatOperand(ramp(LARGE)),
      emptyOperand('f32', LARGE),
    ])
    expect(new Float32Array(next.buffer)[0]).toBe(1)
    await backend.close()
  })
})
