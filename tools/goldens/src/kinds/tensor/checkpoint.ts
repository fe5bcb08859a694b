/** The program `checkpoint`: blocks that are computed again for their gradients. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { type Machine } from '../../backends.js'
import { IndexError } from '../../stored.js'
import { type Inputs, type Results } from './programs.js'

const PROGRAM =
  'three blocks x + gelu(layerNorm(x) @ wA) @ wB (gelu by tanh, eps 1e-5), loss = mean(h*h); each block inside checkpoint()'

/** How often block forwards ran: a block is traced once for its value, and again when its gradient is wanted. */
interface Traced {
  readonly value: Tensor
  readonly gradients: readonly Tensor[]
  readonly forwards: readonly number[]
}

type Wrap = (block: (x: Tensor, wA: Tensor, wB: Tensor) => Tensor) => (x: Tensor, wA: Tensor, wB: Tensor) => Tensor

/**
 * Results of the checkpointed program, and what is wrong with it: values and gradients must have the bits of the plain
 * program, and every block must be run forward exactly twice.
 */
export async function runCheckpoint(
  program: string,
  inputs: Inputs,
  machine: Machine,
): Promise<{ results: Results; finding: string | null }> {
  if (program !== PROGRAM) throw new IndexError(`no runner for the checkpoint program ${program}`)
  const weights = Object.keys(inputs)
    .filter((name) => /^w\d+$/.test(name))
    .sort()
    .map((name) => inputs[name])
  const kept = trace(inputs.x, weights, (block) => block)
  const again = trace(inputs.x, weights, (block) => T.checkpoint(block))
  const results = {
    value: again.value,
    ...Object.fromEntries(again.gradients.map((gradient, k) => [`gradW${k}`, gradient])),
  }
  if (again.forwards.some((count) => count !== 2))
    return { results, finding: `every block must run forward twice, got ${again.forwards.join(', ')}` }
  return { results, finding: await bitsDiffer(machine, kept, again) }
}

function trace(x: Tensor, weights: readonly Tensor[], wrap: Wrap): Traced {
  const forwards = weights.slice(weights.length / 2).map(() => 0)
  const loss = (params: readonly Tensor[]): Tensor => {
    let h = x
    for (let block = 0; block < params.length / 2; block++) {
      const forward = wrap((input, wA, wB) => {
        forwards[block]++
        const hidden = T.matmul(T.layerNorm(input, null, null, { eps: 1e-5 }), wA)
        return T.add(input, T.matmul(T.gelu(hidden, { approximate: 'tanh' }), wB))
      })
      h = forward(h, params[2 * block], params[2 * block + 1])
    }
    return T.mean(T.mul(h, h))
  }
  const [value, gradients] = T.valueAndGrad(loss)(weights)
  return { value, gradients, forwards }
}

async function bitsDiffer(machine: Machine, kept: Traced, again: Traced): Promise<string | null> {
  const plain = await machine.read([kept.value, ...kept.gradients])
  const repeated = await machine.read([again.value, ...again.gradients])
  const different = plain.findIndex(({ bytes }, k) => Buffer.compare(bytes, repeated[k].bytes) !== 0)
  if (different < 0) return null
  return `${different === 0 ? 'value' : `gradW${different - 1}`} differs in its bits from the program without checkpoint`
}
