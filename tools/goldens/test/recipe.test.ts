import { describe, expect, it } from 'vitest'
import { makeInputs } from '../src/kinds/tensor/recipe.js'

const HASH = 'h = imul(i, multiplier) as u32; h ^= h >>> 15; h = imul(h, 0x85ebca6b); h ^= h >>> 13; x[i] = '

/** The same arithmetic on unbounded integers. */
function hashOf(i: number, multiplier: number): bigint {
  const cut = (value: bigint): bigint => value & 0xffffffffn
  let h = cut(BigInt(i) * BigInt(multiplier))
  h ^= h >> 15n
  h = cut(h * 0x85ebca6bn)
  return h ^ (h >> 13n)
}

describe('recipes', () => {
  it('are integer arithmetic modulo 2^32', () => {
    const made = makeInputs(`${HASH}(h >>> 8) * 2^-24`, 1000, 2654435761)
    const wanted = Array.from({ length: 1000 }, (_, i) => Number(hashOf(i, 2654435761) >> 8n) * 2 ** -24)
    expect([...made]).toEqual(wanted)
  })

  it('alternate signs and spread over magnitudes where they say so', () => {
    const plain = makeInputs(`${HASH}(h >>> 8) * 2^-24`, 8, 3)
    const signed = makeInputs(`${HASH}(h >>> 8) * 2^-24, negated where i is odd`, 8, 3)
    const spread = makeInputs(`${HASH}(h >>> 8) * 2^-24 * 2^((h & 31) - 16)`, 8, 3)
    expect([...signed]).toEqual([...plain].map((value, i) => (i % 2 === 1 ? -value : value)))
    expect([...spread]).toEqual([...plain].map((value, i) => value * 2 ** (Number(hashOf(i, 3) & 31n) - 16)))
  })

  it('must be known', () => {
    expect(() => makeInputs('x[i] = i', 1, 1)).toThrow('no runner for the recipe x[i] = i')
  })
})
