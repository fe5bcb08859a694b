import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  ArgumentError,
  bytesSource,
  CheckpointError,
  dequantiseAbsmax,
  dequantiseAwq,
  dequantiseGptq,
  dequantiseInt8Rows,
  dequantiseNf4,
  dynamicMap,
  encodeSafetensors,
  nf4Codebook,
  openSafetensors,
  packAwq,
  packGptq,
  packNf4,
  parseNf4State,
  quantiseAbsmax,
  quantiseInt8Rows,
  quantiseNf4,
  readNf4,
  toFloat32,
  unpackAwq,
  unpackGptq,
  unpackNf4,
  type Checkpoint,
  type GptqTensors,
  type GroupCodes,
} from '../src/index.js'
import { fileSource } from '../src/node.js'
import { random, randomFloats } from './random.js'

const [IN, OUT, GROUPS] = [48, 24, 3]

function groupCodes(groupOf = Int32Array.from({ length: IN }, (_, k) => Math.floor(k / 16))): GroupCodes {
  const codes = Uint8Array.from({ length: IN * OUT }, () => random() * 16)
  const zeros = Uint8Array.from({ length: GROUPS * OUT }, () => random() * 16)
  return { inFeatures: IN, outFeatures: OUT, codes, zeros, groupOf }
}

/** The formula, element by element. */
function weightOf({ codes, zeros, groupOf }: GroupCodes, scales: Float32Array): Float32Array {
  const weight = new Float32Array(IN * OUT)
  for (let n = 0; n < OUT; n++)
    for (let k = 0; k < IN; k++) {
      const entry = groupOf[k] * OUT + n
      weight[n * IN + k] = scales[entry] * (codes[k * OUT + n] - zeros[entry])
    }
  return weight
}

describe('GPTQ', () => {
  const scales = randomFloats(GROUPS * OUT)
  for (const format of ['gptq', 'gptq_v2'] as const) {
    it(`packs and unpacks every code and zero point (${format})`, () => {
      const unpacked = groupCodes()
      const { qweight, qzeros, gIdx } = packGptq(unpacked, { format })
      const tensors: GptqTensors = { inFeatures: IN, outFeatures: OUT, qweight, qzeros, scales, gIdx, format }
      expect(unpackGptq(tensors)).toEqual(unpacked)
      expect(dequantiseGptq(tensors)).toEqual(weightOf(unpacked, scales))
    })
  }

  it('holds inputs in any order of groups', () => {
    const unpacked = groupCodes(Int32Array.from({ length: IN }, () => random() * GROUPS))
    const packed = packGptq(unpacked)
    const weight = dequantiseGptq({ inFeatures: IN, outFeatures: OUT, scales, ...packed })
    expect(weight).toEqual(weightOf(unpacked, scales))
  })

  it('puts input 8w + r into nibble r of word w', () => {
    const codes = new Uint8Array(8 * 8)
    codes[3 * 8 + 5] = 9
    const zeros = new Uint8Array(8).fill(1)
    const { qweight, qzeros } = packGptq({ inFeatures: 8, outFeatures: 8, codes, zeros, groupOf: new Int32Array(8) })
    expect([...qweight]).toEqual([0, 0, 0, 0, 0, 9 << 12, 0, 0])
    expect([...qzeros]).toEqual([0])
  })

  it('takes group size -1 as one group, and refuses what does not fit', () => {
    const one = { ...groupCodes(new Int32Array(IN)), zeros: new Uint8Array(OUT).fill(8) }
    const packed = packGptq(one)
    const tensors = { inFeatures: IN, outFeatures: OUT, ...packed, scales: scales.slice(0, OUT) }
    expect(dequantiseGptq({ ...tensors, gIdx: undefined, groupSize: -1 })).toEqual(weightOf(one, scales))
    expect(() => dequantiseGptq({ ...tensors, gIdx: undefined })).toThrow(ArgumentError)
    expect(() => dequantiseGptq({ ...tensors, qweight: new Int32Array(3) })).toThrow(/qweight must have 144/)
    expect(() => dequantiseGptq({ ...tensors, gIdx: new Int32Array(IN).fill(1) })).toThrow(/groups must be 0 to 0/)
    expect(() => dequantiseGptq({ ...tensors, inFeatures: 44 })).toThrow(/multiple of 8/)
  })
})

describe('AWQ', () => {
  it('packs and unpacks every code and zero point', () => {
    const unpacked = groupCodes()
    const scales = randomFloats(GROUPS * OUT)
    const tensors = { inFeatures: IN, outFeatures: OUT, ...packAwq(unpacked), scales, groupSize: 16 }
    expect(unpackAwq(tensors)).toEqual(unpacked)
    expect(dequantiseAwq(tensors)).toEqual(weightOf(unpacked, scales))
    expect(() => dequantiseAwq({ ...tensors, version: 'GEMV' })).toThrow(/GEMM.*GEMV/)
  })

  it('puts outputs 0 2 4 6 1 3 5 7 into the nibbles of a word', () => {
    const codes = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7)
    const packed = packAwq({ inFeatures: 1, outFeatures: 8, codes, zeros: codes, groupOf: new Int32Array(1) })
    expect(packed.qweight[0] >>> 0).toBe(0x75316420)
  })

  it('cannot say act order', () => {
    expect(() => packAwq(groupCodes(Int32Array.from({ length: IN }, (_, k) => k % GROUPS)))).toThrow(/GPTQ/)
  })
})

describe('NF4', () => {
  it('finds the nearest of the sixteen numbers', () => {
    const values = randomFloats(1000)
    values[0] = 1000 // keeps the largest magnitude of the first block known
    const { packed, absmax } = packNf4(values)
    values.forEach((value, i) => {
      const code = (packed[i >> 1] >> (i & 1 ? 0 : 4)) & 15
      const distance = (k: number) => Math.abs(value / absmax[i >> 6] - nf4Codebook[k])
      for (let k = 0; k < 16; k++) expect(distance(code)).toBeLessThanOrEqual(distance(k) + 1e-7)
    })
  })

  it('keeps its numbers when it is packed again, odd ends included', () => {
    for (const count of [1, 63, 64, 129]) {
      const codes = packNf4(randomFloats(count))
      expect(packNf4(unpackNf4(codes, count))).toEqual(codes)
    }
  })

  it('has a map of 256 ascending numbers for its scales', () => {
    const map = dynamicMap()
    expect([map.length, map[127], map[255]]).toEqual([256, 0, 1])
    expect(new Set(map).size).toBe(256)
  })

  it('is written and read back under the names of bitsandbytes, with and without double quantisation', async () => {
    const values = randomFloats(3 * 130)
    for (const nested of [true, false]) {
      const tensors = quantiseNf4('w', values, [3, 130], { nested, dtype: 'BF16' })
      const checkpoint = await openSafetensors(bytesSource('nf4', await encodeSafetensors(tensors)))
      const read = await readNf4('w', checkpoint.read)
      expect(read.shape).toEqual([3, 130])
      const { packed, absmax } = packNf4(values)
      const { codes, nestedAbsmax, offset, map } = quantiseAbsmax(absmax, 256)
      const scales = nested ? dequantiseAbsmax({ codes, nestedAbsmax, offset }, map, 256) : absmax
      expect(read.values).toEqual(unpackNf4({ packed, absmax: scales }, values.length))
      expect(parseNf4State(await checkpoint.read('w.quant_state.bitsandbytes__nf4')).dtype).toBe('BF16')
    }
  })

  it('refuses a state of another type', () => {
    const state = (value: object) => new TextEncoder().encode(JSON.stringify(value))
    expect(() => parseNf4State(state({ quant_type: 'fp4' }))).toThrow(CheckpointError)
    expect(() => parseNf4State(state({ quant_type: 'nf4', shape: [1], dtype: 'float32', blocksize: 0 }))).toThrow(
      /blocksize/,
    )
    expect(() => packNf4(Float32Array.of(1, NaN))).toThrow(/finite/)
  })
})

describe('int8', () => {
  it('rounds to at most half a step', () => {
    const values = randomFloats(6 * 50)
    values.fill(0, 50, 100)
    const rows = quantiseInt8Rows(values, 6)
    expect(rows.scales[1]).toBe(1)
    dequantiseInt8Rows(rows).forEach((value, i) => {
      expect(Math.abs(value - values[i])).toBeLessThanOrEqual(rows.scales[Math.floor(i / 50)] * 0.5001)
    })
  })
})

const goldens = join(process.env.TARAZED_GOLDENS ?? '', 'lm', 'quantisation')
const hasGoldens = process.env.TARAZED_GOLDENS !== undefined && existsSync(goldens)
if (!hasGoldens) console.log('skipped: quantised layers of other libraries, since TARAZED_GOLDENS names no folder')

describe.skipIf(!hasGoldens)('files of other libraries', () => {
  const open = new Map<string, Checkpoint>()
  beforeAll(async () => {
    for (const name of ['gptq', 'awq', 'nf4', 'int8'])
      open.set(name, await openSafetensors(await fileSource(join(goldens, `${name}.safetensors`))))
    return async () => {
      for (const checkpoint of open.values()) await checkpoint.close()
    }
  })

  /** A tensor as the typed array of its dtype; f16 widened. */
  async function array<T>(file: string, name: string): Promise<T> {
    const bytes = await (open.get(file) as Checkpoint).read(name)
    const { dtype } = (open.get(file) as Checkpoint).tensors.get(name) ?? {}
    if (dtype === 'U8') return bytes as T
    if (dtype === 'I8') return new Int8Array(bytes.slice().buffer) as T
    if (dtype === 'I32') return new Int32Array(bytes.slice().buffer) as T
    return toFloat32(bytes, dtype as 'F32' | 'F16') as T
  }

  function expectClose(got: Float32Array, want: Float32Array): void {
    expect(got.length).toBe(want.length)
    const wrong = got.findIndex((value, i) => !(Math.abs(value - want[i]) <= 1e-7 + 1e-6 * Math.abs(want[i])))
    expect(wrong).toBe(-1)
  }

  for (const key of ['sym', 'asym', 'asym_v2', 'act_order']) {
    it(`of GPTQ (${key}) unpack, dequantise and pack to the same words`, async () => {
      const read = <T>(name: string) => array<T>('gptq', `${key}.${name}`)
      const tensors: GptqTensors = {
        inFeatures: 96,
        outFeatures: 72,
        qweight: await read('qweight'),
        qzeros: await read('qzeros'),
        scales: await read('scales'),
        gIdx: await read('g_idx'),
        format: key === 'asym_v2' ? 'gptq_v2' : 'gptq',
      }
      const unpacked = unpackGptq(tensors)
      expect(unpacked.codes).toEqual(await read('q_in_out'))
      expect(unpacked.zeros).toEqual(await read('zero'))
      const { qweight, qzeros, gIdx } = packGptq(unpacked, { format: tensors.format })
      expect([qweight, qzeros, gIdx]).toEqual([tensors.qweight, tensors.qzeros, tensors.gIdx])
      expectClose(dequantiseGptq(tensors), await read('dequant'))
    })
  }

  it('of AWQ unpack, dequantise and pack to the same words', async () => {
    const read = <T>(name: string) => array<T>('awq', name)
    const qweight = await read<Int32Array>('qweight')
    const qzeros = await read<Int32Array>('qzeros')
    const scales = await read<Float32Array>('scales')
    const tensors = { inFeatures: 96, outFeatures: 72, qweight, qzeros, scales, groupSize: 32 }
    const unpacked = unpackAwq(tensors)
    expect(unpacked.codes).toEqual(await read('q_in_out'))
    expect(unpacked.zeros).toEqual(await read('zero'))
    expect(packAwq(unpacked)).toEqual({ qweight, qzeros })
    expectClose(dequantiseAwq(tensors), await read('dequant'))
  })

  it('of NF4 dequantise, and their weights quantise to the same bytes', async () => {
    const read = <T>(name: string) => array<T>('nf4', name)
    const state = parseNf4State(await read('quant_state'))
    const packed = await read<Uint8Array>('packed')
    const weight = await read<Float32Array>('weight')
    const nestedAbsmax = await read<Float32Array>('nested_absmax')
    const nestedQuantMap = await read<Float32Array>('nested_quant_map')
    const tensors = { packed, absmax: await read<Uint8Array>('absmax_quantised'), nestedAbsmax, nestedQuantMap, state }
    expectClose(dequantiseNf4(tensors), await read('dequant'))
    expect(nf4Codebook).toEqual(await read('quant_map'))
    expectClose(dynamicMap(), nestedQuantMap)
    const codes = packNf4(weight)
    expect(codes.packed).toEqual(packed)
    expect(codes.absmax).toEqual(await read('absmax'))
    const scales = quantiseAbsmax(codes.absmax, 256)
    expect(scales.codes).toEqual(tensors.absmax)
    expectClose(scales.nestedAbsmax, nestedAbsmax)
    expectClose(unpackNf4(codes, weight.length), await read('dequant_without_double'))
  })

  it('of int8 quantise to the same codes', async () => {
    const read = <T>(name: string) => array<T>('int8', name)
    const rows = quantiseInt8Rows(await read('weight'), 72)
    expect(rows.codes).toEqual(await read('q'))
    expectClose(rows.scales, await read('scale'))
    expectClose(dequantiseInt8Rows(rows), await read('dequant'))
    const activations = quantiseInt8Rows(await read('x'), 5)
    expect(activations.codes).toEqual(await read('dynamic.x_q'))
    expectClose(activations.scales, await read('dynamic.x_scale'))
  })
})
