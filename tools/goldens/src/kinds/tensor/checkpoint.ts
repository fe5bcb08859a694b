/** The program `checkpoint`: blocks that are computed again for their gradients. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { type Machine } from '../../backends.js'
import { type HostTensor } from '../../hostTensor.js'
import { IndexError } from '../../stored.js'
import { type Inputs, type Results } from './programs.js'

const PROGRAM =
  'three blocks x + gelu(layerNorm(x) @ wA) @ wB (gelu by tanh, eps 1e-5), loss = mean(h*h); each block inside checkpoint()'

/** A program as a graph, and how often it traced the forward pass of each block. */
interface Traced {
  readonly value: Tensor
  readonly gradients: readonly Tensor[]
  readonly forwards: readonly number[]
}

/** What came out of it, and how many matrix products were executed; 0 where the machine does not tell. */
interface Executed {
  readonly results: readonly HostTensor[]
  readonly products: number
}

type Wrap = (block: (x: Tensor, wA: Tensor, wB: Tensor) => Tensor) => (x: Tensor, wA: Tensor, wB: Tensor) => Tensor

/**
 * Results of the checkpointed program, and what is wrong with it: values and gradients must have the bits of the plain
 * program, and every block must run forward exactly twice.
 */
export async function runCheckpoint(
  program: string,
  inputs: Inputs,
  machine: Machine,
): Promise<{ results: Results; finding: string | null }> {
  if (program !== PROGRAM) throw new IndexError(`no runner for the checkpoint program ${program}`)
  const weights = Object.keys(inputs)
    .filter((name) => /^w\d+$/.test(name))
    .sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)))
    .map((name) => inputs[name])
  const plain = trace(inputs.x, weights, (block) => block)
  const repeated = trace(inputs.x, weights, (block) => T.checkpoint(block))
  const results = {
    value: repeated.value,
    ...Object.fromEntries(repeated.gradients.map((gradient, k) => [`gradW${k}`, gradient])),
  }
  const finding =
    repeated.forwards.find((count) => count !== 2) === undefined
      ? differenceOf(await execute(plain, machine), await execute(repeated, machine), repeated.forwards.length)
      : `every block must be traced forward twice, got ${repeated.forwards.join(', ')}`
  return { results, finding }
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

async function execute({ value, gradients }: Traced, machine: Machine): Promise<Executed> {
  let results: readonly HostTensor[] = []
  const profile = await T.profile(async () => {
    results = await machine.read([value, ...gradients])
  })
  return { results, products: profile.steps.filter(({ label }) => label === 'matmul').length }
}

/**
 * The second forward pass of a block needs its first product again, and not its second one, whose result no gradient
 * asks for: one or two products more for each block.
 */
function differenceOf(plain: Executed, repeated: Executed, blocks: number): string | null {
  const more = repeated.products - plain.products
  if (plain.products > 0 && (more < blocks || more > 2 * blocks))
    return `every block must run forward twice: ${blocks} to ${2 * blocks} more matrix products, got ${more}`
  const different = plain.results.findIndex(({ bytes }, k) => Buffer.compare(bytes, repeated.results[k].bytes) !== 0)
  if (different < 0) return null
  return `${different === 0 ? 'value' : `gradW${different - 1}`} differs in its bits from the program without checkpoint`
}
