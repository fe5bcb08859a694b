import { describe, expect, it } from 'vitest'
import { tarazed } from './world.js'

describe('tarazed doctor', () => {
  it('finds that the CPU engine works', async () => {
    const { exit, out } = await tarazed(['doctor', '--json'])
    const { backends } = JSON.parse(out)
    expect(exit).toBe(0)
    expect(backends[0]).toMatchObject({ backend: 'cpu', works: true })
  })

  it('speaks Chinese', async () => {
    const { out } = await tarazed(['doctor', '--lang', 'zh'])
    expect(out).toContain('可用')
  })
})
