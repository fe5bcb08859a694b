import { describe, expect, it } from 'vitest'
import { Attributes } from '../src/attributes.js'
import { windowOf } from '../src/kinds/onnx/spatial.js'

const oneAxis = (attrs: object, input: number, kernel: number) =>
  windowOf(new Attributes(attrs as Record<string, unknown>), [input], [kernel])

describe('windows of ONNX nodes', () => {
  it('put the odd pad of SAME at the end or at the start', () => {
    expect(oneAxis({ auto_pad: 'SAME_UPPER' }, 32, 2)).toMatchObject({ pads: [[0, 1]], sizes: [32] })
    expect(oneAxis({ auto_pad: 'SAME_LOWER' }, 32, 2)).toMatchObject({ pads: [[1, 0]], sizes: [32] })
    expect(oneAxis({ auto_pad: 'VALID' }, 5, 2)).toMatchObject({ pads: [[0, 0]], sizes: [4] })
  })

  it('count a last partial window in ceil mode only', () => {
    expect(oneAxis({ strides: [2] }, 4, 3)).toMatchObject({ sizes: [1], reach: [[0, 0]] })
    expect(oneAxis({ strides: [2], ceil_mode: 1 }, 4, 3)).toMatchObject({ sizes: [2], reach: [[0, 1]] })
  })

  it('do not count a window that starts behind the input and its low pad', () => {
    expect(oneAxis({ strides: [3], pads: [1, 1], ceil_mode: 1 }, 2, 3)).toMatchObject({ sizes: [1] })
  })

  it('reach further with dilation', () => {
    expect(oneAxis({ dilations: [2] }, 4, 2)).toMatchObject({ sizes: [2] })
  })
})
