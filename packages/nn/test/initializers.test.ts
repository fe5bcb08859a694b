import { type Tensor, random } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { type Initializer, initializers } from '../src/index.js'
import { values } from './values.js'

const key = random.key(7)
const spread = (t: Tensor) => {
  const elements = values(t)
  const mean = elements.reduce((a, b) => a + b) / elements.length
  return { mean, variance: elements.reduce((a, b) => a + (b - mean) ** 2, 0) / elements.length, elements }
}

describe('initializers', () => {
  const shape = [40, 5, 10] // 40 outputs, 50 inputs
  it.each<[string, Initializer, number]>([
    ['normal', initializers.normal({ std: 0.5 }), 0.25],
    ['uniform', initializers.uniform({ bound: 3 }), 3],
    ['truncatedNormal', initializers.truncatedNormal({ std: 1 }), 0.774],
    ['lecunNormal', initializers.lecunNormal(), 1 / 50],
    ['xavierUniform', initializers.xavierUniform(), 2 / 90],
    ['xavierNormal', initializers.xavierNormal(), 2 / 90],
    ['kaimingUniform', initializers.kaimingUniform(), 2 / 50],
    ['kaimingNormal', initializers.kaimingNormal(), 2 / 50],
  ])('%s has mean 0 and its variance', (_name, initializer, wanted) => {
    const { mean, variance } = spread(initializer(key, shape))
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(wanted / 2000))
    expect(variance / wanted).toBeGreaterThan(0.85)
    expect(variance / wanted).toBeLessThan(1.15)
  })

  it('keep their bounds', () => {
    for (const element of spread(initializers.uniform({ bound: 3 })(key, shape)).elements)
      expect(Math.abs(element)).toBeLessThanOrEqual(3)
    for (const element of spread(initializers.truncatedNormal({ std: 1 })(key, shape)).elements)
      expect(Math.abs(element)).toBeLessThanOrEqual(2)
  })

  it('zeros, ones and constant are what they say', () => {
    const { zeros, ones, constant } = initializers
    expect([zeros(), ones(), constant(0.5)].map((initializer) => values(initializer(key, [1])))).toEqual([
      [0],
      [1],
      [0.5],
    ])
  })

  it('refuse fans of a vector', () => {
    expect(() => initializers.lecunNormal()(key, [5])).toThrow(/two axes without 0, got \[5\]/)
  })
})
