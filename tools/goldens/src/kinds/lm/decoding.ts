/** Greedy decoding, with the cache as a generator uses it and by whole forward passes. */
import { type Aquila2, type Aquila2Cache } from '@tarazed/aquila2'
import { type Tensor, scalar, tensor } from '@tarazed/tensor'
import { type Machine } from '../../backends.js'
import { numbersOf } from '../../hostTensor.js'

/** A batch of prompts of one length; 0 in the mask is padding on the left. */
export interface Prompts {
  readonly ids: readonly (readonly number[])[]
  readonly mask?: readonly (readonly number[])[]
}

/** What was chosen, and from which logits: [step][row] each. */
export interface Decoded {
  readonly ids: number[][]
  readonly logits: Float64Array[][]
}

/** Picks the largest logit `steps` times. The prompt is read in two chunks, so that appending several tokens is tried too. */
export async function decodeCached(
  model: Aquila2,
  machine: Machine,
  prompts: Prompts,
  steps: number,
): Promise<Decoded> {
  const { ids, mask = ids.map((row) => row.map(() => 1)) } = prompts
  const [B, T] = [ids.length, ids[0].length]
  const capacity = T + steps
  const padding = mask.map((row) => row.indexOf(1))
  const rowMask = matrix(
    padding.map((skipped) => Array.from({ length: capacity }, (_, row) => (row < skipped ? 0 : 1))),
  ).notEqual(0)
  let cache: Aquila2Cache = model.emptyCache({ batch: B, capacity })
  const feed = async (chunk: readonly (readonly number[])[], start: number): Promise<Float64Array[]> => {
    const positions = padding.map((skipped) => chunk[0].map((_, t) => Math.max(0, start + t - skipped)))
    const step = model.forwardCached(matrix(chunk), cache, {
      start: scalar(start, { dtype: 'i32' }),
      positions: matrix(positions),
      mask: rowMask,
      last: true,
    })
    const settled = await machine.settle({ logits: step.logits, cache: step.cache })
    cache = settled.cache
    return rowsOf(await read(machine, settled.logits), B)
  }
  const half = Math.ceil(T / 2)
  await feed(
    ids.map((row) => row.slice(0, half)),
    0,
  )
  let last = await feed(
    ids.map((row) => row.slice(half)),
    half,
  )
  return steadily(steps, async (step, chosen) => {
    if (step > 0)
      last = await feed(
        chosen.map((id) => [id]),
        T + step - 1,
      )
    return last
  })
}

/** The same with nothing kept: every step is a forward pass over all tokens. */
export async function decodeWhole(model: Aquila2, machine: Machine, prompt: readonly number[], steps: number) {
  const ids = [...prompt]
  return steadily(steps, async (step, chosen) => {
    if (step > 0) ids.push(...chosen)
    const logits = await read(machine, model.forward(matrix([ids])))
    return [rowsOf(logits, ids.length).at(-1) ?? new Float64Array()]
  })
}

async function steadily(
  steps: number,
  next: (step: number, chosen: readonly number[]) => Promise<Float64Array[]>,
): Promise<Decoded> {
  const ids: number[][] = []
  const logits: Float64Array[][] = []
  for (let step = 0; step < steps; step++) {
    const found = await next(step, ids.at(-1) ?? [])
    logits.push(found)
    ids.push(found.map(largest))
  }
  return { ids, logits }
}

/** Numbers as an i32 tensor [rows, columns]. */
export function matrix(rows: readonly (readonly number[])[]): Tensor {
  return tensor(rows.flat(), { shape: [rows.length, rows[0].length], dtype: 'i32' })
}

async function read(machine: Machine, value: Tensor): Promise<Float64Array> {
  const [host] = await machine.read([value])
  return numbersOf(host)
}

function rowsOf(all: Float64Array, count: number): Float64Array[] {
  const width = all.length / count
  return Array.from({ length: count }, (_, row) => all.subarray(row * width, (row + 1) * width))
}

function largest(values: Float64Array): number {
  return values.reduce((best, value, id) => (value > values[best] ? id : best), 0)
}
