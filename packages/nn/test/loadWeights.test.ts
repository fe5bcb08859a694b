import { type TensorToWrite, bytesSource, encodeSafetensors, fromFloat32, openSafetensors } from '@tarazed/checkpoint'
import { ArgumentError, mapTree, openReference, random, setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Linear, Module, WeightsError, loadWeights, parameters } from '../src/index.js'
import { wave } from './values.js'

const backend = openReference()
beforeAll(() => setDefaultBackend(backend))
afterAll(() => backend.close())

class Pair extends Module {
  constructor(
    readonly first: Linear,
    readonly second: Linear,
  ) {
    super()
  }
}

const blank = () =>
  new Pair(
    Linear.init({ inFeatures: 3, outFeatures: 2, key: random.key(0) }),
    Linear.init({ inFeatures: 2, outFeatures: 1, bias: false, key: random.key(1) }),
  )

type Stored = 'F32' | 'F16' | 'BF16' | 'F64' | 'I32'
const stored = (name: string, shape: number[], dtype: Stored = 'F32'): TensorToWrite => {
  const numbers = Float32Array.from(
    wave(
      shape.reduce((a, b) => a * b, 1),
      { scale: 4 },
    ),
    Math.round,
  )
  return { name, shape, dtype, bytes: () => fromFloat32(numbers, dtype) }
}
const ALL = [stored('first.weight', [2, 3]), stored('first.bias', [2]), stored('second.weight', [1, 2])]
const open = async (tensors: TensorToWrite[]) =>
  openSafetensors(bytesSource('pair.safetensors', await encodeSafetensors(tensors)))

describe('loadWeights', () => {
  it('reads every parameter under its own name and computes none of the lazy ones', async () => {
    const module = blank()
    const loaded = await loadWeights(module, await open(ALL))
    expect(loaded).toBeInstanceOf(Pair)
    expect([...(await loaded.first.weight.data())]).toEqual(wave(6, { scale: 4 }).map((x) => Math.round(x)))
    expect(Object.values(parameters(module)).every((tensor) => tensor.state === 'lazy')).toBe(true)
  })

  it('moves each tensor to the backend before the next is read, so that memory holds the weights and one more', async () => {
    const checkpoint = await open(ALL)
    const live: number[] = []
    const watched = {
      ...checkpoint,
      read: (name: string) => {
        live.push(backend.counters.liveBytes)
        return checkpoint.read(name)
      },
    }
    const before = backend.counters.liveBytes
    await loadWeights(blank(), watched)
    expect(live).toHaveLength(3)
    expect(live[1] - before).toBeGreaterThanOrEqual(4 * 6)
    expect(live[2] - live[1]).toBeGreaterThanOrEqual(4 * 2)
  })

  it('keeps stored dtypes, or gives those that are asked for', async () => {
    const mixed = await open([stored('first.weight', [2, 3], 'BF16'), stored('first.bias', [2], 'F16'), ALL[2]])
    const dtypes = (pair: Pair): string[] => Object.values(parameters(pair)).map(({ dtype }) => dtype)
    expect(dtypes(await loadWeights(blank(), mixed))).toEqual(['bf16', 'f16', 'f32'])
    const wide = await loadWeights(blank(), mixed, { dtype: 'f32' })
    expect(dtypes(wide)).toEqual(['f32', 'f32', 'f32'])
    expect([...(await wide.first.weight.data())]).toEqual(wave(6, { scale: 4 }).map((x) => Math.round(x)))
    const some = await loadWeights(blank(), mixed, { dtype: (name) => (name.endsWith('bias') ? 'f32' : 'bf16') })
    expect(dtypes(some)).toEqual(['bf16', 'f32', 'bf16'])
  })

  it('widens doubles and integers to f32', async () => {
    const odd = await open([stored('first.weight', [2, 3], 'F64'), stored('first.bias', [2], 'I32'), ALL[2]])
    const loaded = await loadWeights(blank(), odd)
    expect([...(await loaded.first.weight.data())]).toEqual(wave(6, { scale: 4 }).map((x) => Math.round(x)))
    expect([...(await loaded.first.bias!.data())]).toEqual(wave(2, { scale: 4 }).map((x) => Math.round(x)))
  })

  it('takes other names, shares a tensor between parameters, and leaves out what it is told to', async () => {
    const checkpoint = await open([
      stored('a.weight', [2, 3]),
      stored('a.bias', [2]),
      stored('b', [1, 2]),
      stored('buffer', [7]),
    ])
    const loaded = await loadWeights(blank(), checkpoint, {
      storedName: (name) => (name === 'second.weight' ? 'b' : name.replace('first', 'a')),
      ignore: (name) => name === 'buffer',
    })
    expect(loaded.second.weight.shape).toEqual([1, 2])
    const square = () =>
      new Pair(
        mapTree(blank().second, (leaf) => leaf),
        blank().second,
      )
    const shared = await loadWeights(square(), await open([stored('b', [1, 2])]), { storedName: () => 'b' })
    expect(await shared.first.weight.data()).toEqual(await shared.second.weight.data())
  })

  it('compares names and shapes before it reads, and lists everything that is wrong', async () => {
    const checkpoint = await open([stored('first.weight', [3, 2]), stored('first.bias', [2]), stored('extra', [1])])
    const watched = { ...checkpoint, read: () => Promise.reject(new Error('read')) }
    const failed = await loadWeights(blank(), watched).catch((error: unknown) => error)
    expect(failed).toBeInstanceOf(WeightsError)
    expect(failed).toMatchObject({ missing: ['second.weight'], unexpected: ['extra'], misshapen: ['first.weight'] })
    expect((failed as Error).message).toMatch(
      /pair.safetensors.*lacks second.weight; first.weight is \[3, 2\] there and \[2, 3\] in the module; the module has no extra/,
    )
  })

  it('tells how far it is, and stops when it is asked to', async () => {
    const seen: string[] = []
    const controller = new AbortController()
    const loading = loadWeights(blank(), await open(ALL), {
      signal: controller.signal,
      onProgress: ({ parameter, done, total, bytes, totalBytes }) => {
        seen.push(`${parameter} ${done}/${total} ${bytes}/${totalBytes}`)
        if (done === 2) controller.abort(new Error('enough'))
      },
    })
    await expect(loading).rejects.toThrow('enough')
    expect(seen).toEqual(['first.weight 1/3 24/40', 'first.bias 2/3 32/40'])
  })

  it('refuses what is no checkpoint, and options that it does not have', async () => {
    // @ts-expect-error -- not opened
    await expect(loadWeights(blank(), 'model.safetensors')).rejects.toThrow(ArgumentError)
    // @ts-expect-error -- no such option
    await expect(loadWeights(blank(), await open(ALL), { rename: 1 })).rejects.toThrow(/unknown option rename/)
    // @ts-expect-error -- no such dtype
    await expect(loadWeights(blank(), await open(ALL), { dtype: 'i8' })).rejects.toThrow(/dtype is f32, f16, bf16/)
  })
})
