import { describe, expect, it } from 'vitest'
import { SafetensorsError, decodeSafetensors, encodeSafetensors } from '../start/safetensors.js'

const tensors = {
  'a.weight': { dtype: 'F32', shape: [2, 1], bytes: new Uint8Array(Float32Array.of(1, -2).buffer) },
  none: { dtype: 'F32', shape: [0], bytes: new Uint8Array(0) },
  step: { dtype: 'I32', shape: [], bytes: new Uint8Array(Int32Array.of(7).buffer) },
}

describe('safetensors', () => {
  it('reads back what it wrote, metadata too', () => {
    const decoded = decodeSafetensors(encodeSafetensors(tensors, { note: '你好' }))
    expect(decoded).toEqual({ tensors, metadata: { note: '你好' } })
  })

  it('starts its data at a multiple of 8', () => {
    const file = encodeSafetensors(tensors)
    expect(Number(new DataView(file.buffer).getBigUint64(0, true)) % 8).toBe(0)
  })

  it('says at every length that a cut-off file is cut off, and never reads past its end', () => {
    const file = encodeSafetensors(tensors)
    for (let length = 0; length < file.length; length++)
      expect(() => decodeSafetensors(file.slice(0, length)), `${length} bytes`).toThrow(SafetensorsError)
  })

  it('refuses headers that lie', () => {
    const lying = (header: string) => {
      const file = new Uint8Array(8 + header.length)
      new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true)
      file.set(new TextEncoder().encode(header), 8)
      return () => decodeSafetensors(file)
    }
    expect(lying('[]')).toThrow(SafetensorsError)
    expect(lying('{"a":null}')).toThrow(SafetensorsError)
    expect(lying('{"a":{}}')).toThrow(SafetensorsError)
    expect(lying('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}')).toThrow(SafetensorsError)
    expect(lying('{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}')).toThrow(SafetensorsError)
    expect(lying('not json')).toThrow(SafetensorsError)
  })
})
