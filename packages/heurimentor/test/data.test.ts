import fc from 'fast-check'
import { random } from '@tarazed/tensor'
import { openCpu } from '@tarazed/kernels-cpu'
import { setDefaultBackend } from '@tarazed/tensor'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { permutation, threefry } from '../src/data/counterRandom.js'
import { ConfigError, blend, heldOutTokens, joinDocuments, packedTokens, tokenBatches } from '../src/index.js'
import type { TokenSamples } from '../src/index.js'

let close: () => Promise<void>
beforeAll(async () => {
  const backend = await openCpu({ threads: 1 })
  setDefaultBackend(backend)
  close = () => backend.close()
})
afterAll(() => close())

/** Documents of given lengths whose tokens count upwards through all of them. */
const counting = (...lengths: number[]) => {
  let next = 0
  return joinDocuments(lengths.map((length) => Array.from({ length }, () => next++)))
}

function sample(samples: TokenSamples, index: number): number[] {
  const tokens = new Int32Array(samples.length + 1)
  samples.read(index, tokens, new Float32Array(samples.weighted ? samples.length + 1 : 0))
  return [...tokens]
}

describe('counter-based random numbers', () => {
  it('are the words of threefry in the tensor core', async () => {
    const key = random.key(2 ** 40 + 7)
    const words = new Uint32Array((await random.foldIn(key, 5).bytes()).buffer)
    expect(threefry([2 ** 8, 7], [0, 5])).toEqual([...words])
  })

  it('shuffle: every number once, in another order for another key', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(), (count, key) => {
        const order = [...permutation([0, key], count)]
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, k) => k))
        expect([...permutation([0, key], count)]).toEqual(order)
      }),
    )
    expect([...permutation([0, 1], 20)]).not.toEqual([...permutation([0, 2], 20)])
  })

  it('favour no place: each of 5 numbers comes first about equally often', () => {
    const first = Array.from({ length: 5000 }, (_, key) => permutation([0, key], 5)[0])
    const counts = [0, 1, 2, 3, 4].map((number) => first.filter((value) => value === number).length)
    // 1000 expected, standard deviation 28
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })
})

describe('packed documents', () => {
  it('in order are cut into pieces that share one token, without end', () => {
    const packed = packedTokens(counting(3, 4, 3), { length: 3, seed: 0, shuffle: false })
    expect(packed.perEpoch).toBe(3)
    expect([0, 1, 2, 3].map((k) => sample(packed, k))).toEqual([
      [0, 1, 2, 3],
      [3, 4, 5, 6],
      [6, 7, 8, 9],
      [0, 1, 2, 3],
    ])
  })

  it('predict every token of an epoch but the first once, whole documents in shuffled order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        fc.nat(3),
        (lengths, length, epoch) => {
          const documents = counting(...lengths)
          if (documents.tokens.length < length + 1) return
          const packed = packedTokens(documents, { length, seed: 9 })
          const seen = Array.from({ length: packed.perEpoch }, (_, k) => sample(packed, epoch * packed.perEpoch + k))
          const predicted = seen.flatMap((row) => row.slice(1))
          expect(new Set(predicted).size).toBe(packed.perEpoch * length)
          // inside a row, tokens follow each other, except from the end of a document to the start of another
          const [starts, ends] = [new Set(documents.starts), new Set([...documents.starts].map((start) => start - 1))]
          for (const row of seen)
            for (let k = 1; k < row.length; k++)
              expect(row[k] === row[k - 1] + 1 || (ends.has(row[k - 1]) && starts.has(row[k]))).toBe(true)
        },
      ),
    )
  })

  it('depend on seed and epoch, and on nothing that was read before', () => {
    const documents = counting(5, 9, 2, 7, 4, 11)
    const all = (seed: number, indices: number[]) => {
      const packed = packedTokens(documents, { length: 4, seed })
      return indices.map((k) => sample(packed, k))
    }
    const forwards = all(1, [0, 1, 2, 10, 11, 30])
    expect(all(1, [30, 11, 10, 2, 1, 0]).reverse()).toEqual(forwards)
    expect(all(2, [0, 1, 2, 10, 11, 30])).not.toEqual(forwards)
    const epoch = (number: number) =>
      all(
        1,
        [0, 1, 2, 3, 4, 5, 6, 7, 8].map((k) => number * 9 + k),
      )
    expect(epoch(0)).not.toEqual(epoch(1))
  })

  it('carry the weights of their tokens', async () => {
    const documents = joinDocuments(
      [
        { ids: [1, 2], weights: [0, 0.5] },
        { ids: [3], weights: [2] },
      ],
      { endOfDocument: 9 },
    )
    expect([...documents.tokens]).toEqual([1, 2, 9, 3, 9])
    const { tokens, weights } = await tokenBatches(
      packedTokens(documents, { length: 4, seed: 0, shuffle: false }),
    ).batch(0, 1)
    expect([...(await tokens.data())]).toEqual([1, 2, 9, 3, 9])
    expect([...((await weights?.data()) ?? [])]).toEqual([0, 0.5, 1, 2, 1])
  })

  it('have a fingerprint that any change of tokens, order or length changes', () => {
    const print = (tokens: number[], length: number, seed: number) =>
      packedTokens(joinDocuments([tokens]), { length, seed }).fingerprint
    const prints = [
      print([1, 2, 3], 1, 0),
      print([1, 2, 4], 1, 0),
      print([1, 3, 2], 1, 0),
      print([1, 2, 3], 2, 0),
      print([1, 2, 3], 1, 1),
    ]
    expect(new Set(prints).size).toBe(5)
    expect(print([1, 2, 3], 1, 0)).toBe(prints[0])
  })

  it('say what is missing', () => {
    expect(() => packedTokens(counting(3), { length: 3, seed: 0 })).toThrow(
      /takes length \+ 1 tokens, got 3 for 4; add text/,
    )
    expect(() => packedTokens(counting(3), { length: 0, seed: 0 })).toThrow(ConfigError)
    expect(() => packedTokens(counting(9), { length: 2, seed: -1 })).toThrow(/seed must be an integer/)
    expect(() => joinDocuments([[1, -2]])).toThrow(/ids must be integers of at least 0, got -2/)
    expect(() => joinDocuments([[1], { ids: [2], weights: [1] }])).toThrow(/document 1 unlike those before it/)
    expect(() => joinDocuments(['text' as unknown as number[]])).toThrow(ConfigError)
    expect(() => joinDocuments([{ ids: [1, 2], weights: [1] }])).toThrow(/one weight for each id, got 1 for 2/)
  })
})

describe('a blend', () => {
  const part = (token: number, weight: number) => ({
    weight,
    samples: packedTokens(joinDocuments([[token, token, token]]), { length: 2, seed: 0 }),
  })

  it('draws each sample from the domain that lacks most, the first one on ties', () => {
    const mixed = blend([part(1, 0.5), part(2, 0.25), part(3, 0.25)])
    // w·max(i, 1) - count: computed by hand
    expect(Array.from({ length: 8 }, (_, k) => sample(mixed, k)[0])).toEqual([1, 2, 3, 1, 1, 2, 3, 1])
  })

  it('holds its shares to within one sample for each domain at every length', () => {
    const weights = [5, 1, 2.5, 0]
    const mixed = blend(weights.map((weight, k) => part(k, weight)))
    const counts = [0, 0, 0, 0]
    for (let k = 0; k < 500; k++) {
      counts[sample(mixed, k)[0]]++
      counts.forEach((count, d) => expect(Math.abs(count - ((k + 1) * weights[d]) / 8.5)).toBeLessThan(4))
    }
    expect(counts[3]).toBe(0)
  })

  it('gives the same samples in any order of asking', () => {
    const documents = counting(40)
    const one = () => packedTokens(documents, { length: 2, seed: 4 })
    const mixed = () =>
      blend([
        { weight: 2, samples: one() },
        { weight: 1, samples: packedTokens(documents, { length: 2, seed: 5 }) },
      ])
    const forwards = mixed()
    const wanted = Array.from({ length: 60 }, (_, k) => sample(forwards, k))
    const jumping = mixed()
    for (const k of [59, 3, 3, 40, 0, 41]) expect(sample(jumping, k)).toEqual(wanted[k])
  })

  it('refuses parts that do not fit together', () => {
    expect(() => blend([])).toThrow(ConfigError)
    expect(() => blend([part(1, 0)])).toThrow(/at least one weight must be positive/)
    expect(() => blend([part(1, -1)])).toThrow(ConfigError)
    const longer = { weight: 1, samples: packedTokens(counting(9), { length: 4, seed: 0 }) }
    expect(() => blend([part(1, 1), longer])).toThrow(/one length.*got 2 and 4/)
  })
})

describe('held-out tokens', () => {
  const counted = async (length: number, rows: number, seenBefore: number, count: number) => {
    const set = heldOutTokens(
      'text',
      Int32Array.from({ length: count }, (_, k) => k),
      { length, rows, seenBefore },
    )
    const times = new Array<number>(count).fill(0)
    for (let k = 0; k < set.batches; k++) {
      const { tokens, weights } = await set.batch(k)
      const [ids, counts] = [await tokens.data(), (await weights?.data()) ?? []]
      ids.forEach((id, at) => (times[id] += counts[at]))
      for (let row = 0; row < rows; row++) expect(counts[row * (length + 1)]).toBe(0)
    }
    return times
  }

  it('are all predicted exactly once, except the first', async () => {
    for (const [length, rows, seen, count] of [
      [4, 2, 0, 9],
      [4, 2, 0, 10],
      [4, 3, 2, 23],
      [5, 1, 4, 12],
      [8, 4, 3, 5],
    ])
      expect(await counted(length, rows, seen, count)).toEqual([0, ...new Array<number>(count - 1).fill(1)])
  })

  it('refuse sets of one token and context that leaves nothing to count', () => {
    expect(() => heldOutTokens('text', Int32Array.of(1), { length: 4, rows: 1 })).toThrow(/at least two tokens, got 1/)
    expect(() => heldOutTokens('text', Int32Array.of(1, 2), { length: 4, rows: 1, seenBefore: 4 })).toThrow(ConfigError)
  })
})
