import { describe, expect, it } from 'vitest'
import {
  type Aquila2Config,
  ConfigError,
  configs,
  contextLength,
  estimate,
  parameterShapes,
  parseConfig,
  ropeFrequencies,
} from '../src/index.js'

/** The same numbers every time. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const NASTY: unknown[] = [
  ...[null, undefined, true, '', '4096', -1, 0, 0.5, 3, 1e9, 2 ** 53, NaN, Infinity, [], [1], {}, { type: 'linear' }],
  ...[
    { factor: '4' },
    { type: 'linear', factor: 1e308 },
    { rope_type: 'dynamic', factor: NaN },
    { rope_type: 7, factor: 2 },
  ],
]

/** What a caller may rely on. */
function useful(config: Aquila2Config): void {
  expect(Number.isSafeInteger(config.num_hidden_layers)).toBe(true)
  expect(contextLength(config)).toBeGreaterThan(0)
  expect(ropeFrequencies(config, 100).every((frequency) => frequency >= 0)).toBe(true)
  expect(estimate({ ...config, num_hidden_layers: 1 }, { context: 1 }).parameters.total).toBeGreaterThan(0)
}

/** Reads, or fails with an error of ours. */
function readOrRefuse(read: () => { config: Aquila2Config }): boolean {
  let config: Aquila2Config
  try {
    ;({ config } = read())
  } catch (error) {
    expect(['ConfigError', 'CheckpointError']).toContain((error as Error).name)
    return false
  }
  useful(config)
  return true
}

describe('hostile configurations', () => {
  it('with any value in any field are read or refused by name, never half', () => {
    const fields = [
      ...Object.keys(configs.tiny),
      'head_dim',
      'rope_parameters',
      'dim',
      'n_layer',
      'multiple_of',
      'name',
      'attention_bias',
    ]
    let read = 0
    for (const field of fields)
      for (const value of NASTY) if (readOrRefuse(() => parseConfig({ ...configs.tiny, [field]: value }))) read++
    expect(read).toBeGreaterThan(fields.length)
    expect(read).toBeLessThan(fields.length * NASTY.length)
  })

  it('with several wrong fields, and tensors beside them', () => {
    const random = generator(7)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]
    const shapes = parameterShapes(configs['tiny-gqa'])
    const fields = Object.keys(configs.tiny)
    let refused = 0
    for (let round = 0; round < 600; round++) {
      const config: Record<string, unknown> = { ...configs['tiny-gqa'] }
      for (let change = 0; change < 3; change++) config[pick(fields)] = pick(NASTY)
      const changed: Record<string, readonly number[]> = { ...shapes }
      if (round % 3 === 0)
        changed[pick(Object.keys(shapes))] = pick([[], [0], [1, 1], [64], [3, 64], [64, 64], [7, 7, 7]])
      if (!readOrRefuse(() => parseConfig(config, { shapes: changed }))) refused++
    }
    expect(refused).toBeGreaterThan(100)
    expect(refused).toBeLessThan(600)
  })

  it('cut off or damaged anywhere are no crash', () => {
    const text = JSON.stringify({ ...configs['aquila2-7b'], rope_scaling: { type: 'linear', factor: 8 } }, null, 1)
    for (let length = 0; length < text.length; length += 3) readOrRefuse(() => parseConfig(text.slice(0, length)))
    const random = generator(3)
    for (let round = 0; round < 400; round++) {
      const at = Math.floor(random() * text.length)
      const character = String.fromCharCode(32 + Math.floor(random() * 95))
      readOrRefuse(() => parseConfig(text.slice(0, at) + character + text.slice(at + 1)))
    }
    expect(() => parseConfig('['.repeat(100_000))).toThrow(/nested/)
    expect(() => parseConfig('{"__proto__": {"vocab_size": 1}}')).toThrow(ConfigError)
  })
})
