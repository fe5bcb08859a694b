/** The page of operators names everything that can be called, and nothing else. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as ops from '../../src/ops/index.js'
import * as random from '../../src/random/index.js'

const page = readFileSync(new URL('../../../../docs/operators.md', import.meta.url), 'utf8')
/** Lines of code blocks without their comments. */
const code = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].flatMap(([, block]) =>
  block.split('\n').map((line) => line.split('//')[0]),
)
const called = new Set(
  code.flatMap((line) =>
    [...line.matchAll(/(?<![\w.])(random\.)?(\w+)\(/g)].map(([, space, name]) => `${space ?? ''}${name}`),
  ),
)

describe('docs/operators.md', () => {
  it('shows every operator', () => {
    const missing = Object.keys(ops).filter((name) => !called.has(name) && name !== 'installMethods')
    expect(missing).toEqual([])
  })

  it('shows every function of random', () => {
    expect(Object.keys(random).filter((name) => !called.has(`random.${name}`))).toEqual([])
  })

  it('shows nothing that does not exist', () => {
    const known = new Set([...Object.keys(ops), ...Object.keys(random).map((name) => `random.${name}`)])
    expect([...called].filter((name) => !known.has(name))).toEqual([])
  })
})
