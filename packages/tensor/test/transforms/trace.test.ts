import { describe, expect, it } from 'vitest'
import { nodeClock, recordSites, type Tensor } from '../../src/graph/tensor.js'
import { data, evaluate, openReference, setDefaultBackend } from '../../src/index.js'
import * as T from '../../src/ops/index.js'
import { nodesBelow, TensorMap } from '../../src/transforms/cloneGraph.js'
import { grad, isActiveTrace, isTraced, runTrace, scan, vjp, vmap } from '../../src/transforms/index.js'

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

describe('backward nodes', () => {
  it('carry the call site of the forward node they belong to', () => {
    const before = recordSites(() => 'forward.ts:1')
    const [, pullback] = vjp(
      (a: Tensor) => T.sum(T.tanh(T.matmul(T.reshape(a, [1, 2]), T.reshape(T.exp(a), [2, 1])))),
      x,
    )
    const mark = nodeClock()
    recordSites(() => 'elsewhere.ts:2')
    const [gradient] = pullback(T.scalar(1))
    recordSites(before)
    const made = nodesBelow([gradient], new TensorMap(), mark).filter((node) => node.inputs.length > 0)
    expect(made.length).toBeGreaterThan(4)
    expect(new Set(made.map((node) => node.site))).toEqual(new Set(['forward.ts:1']))
  })

  it('do not need the forward graph any more when its values were evaluated', async () => {
    const backend = await openReference()
    setDefaultBackend(backend)
    let inner: Tensor | undefined
    const [out, pullback] = vjp((a: Tensor) => {
      inner = T.exp(a)
      return T.mul(inner, a)
    }, x)
    await evaluate(out, inner)
    const [gradient] = pullback(T.ones([2]))
    expect(inner?.node).toBeNull()
    const got = await data(gradient)
    ;[1, 2].forEach((a, k) => expect(got[k]).toBeCloseTo(Math.exp(a) * (1 + a), 4))
    await backend.close()
  })
})
