import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/graph/tensor.js'
import * as T from '../../src/ops/index.js'
import { grad, isActiveTrace, isTraced, runTrace, scan, vmap } from '../../src/transforms/index.js'

const x = T.tensor([1, 2])

describe('traced tensors', () => {
  it('depend on an argument of a transform that is running', () => {
    const seen: boolean[] = []
    const outside = T.exp(x)
    const gradient = grad((a: Tensor) => {
      seen.push(isTraced(a), isTraced(T.mul(a, 2)), isTraced(outside), isTraced(T.exp(outside)))
      return T.sum(a)
    })(x)
    expect(seen).toEqual([true, true, false, false])
    expect(isTraced(gradient)).toBe(false)
  })

  it('are also those of vmap and scan', () => {
    const seen: boolean[] = []
    vmap((a: Tensor) => {
      seen.push(isTraced(T.exp(a)))
      return a
    })(x)
    scan(
      (c: Tensor, a: Tensor) => {
        seen.push(isTraced(T.add(c, a)))
        return [c, a] as const
      },
      T.scalar(0),
      x,
    )
    expect(seen).toEqual([true, true])
  })

  it('are released when the function throws', () => {
    let trace = 0
    expect(() =>
      runTrace((own) => {
        trace = own
        throw new Error('stop')
      }),
    ).toThrow('stop')
    expect(isActiveTrace(trace)).toBe(false)
  })
})
