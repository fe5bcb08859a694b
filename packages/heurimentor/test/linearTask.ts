/** A task small enough for exact tests: find the weights of a linear map from noisy samples. */
import { adamw } from '@tarazed/nn/optim'
import { type Tensor, scalar, tensor } from '@tarazed/tensor'
import { dice } from './dice.js'
import type { HostTensors, RunPlan, SampleSource, Snapshot, TrainerOptions } from '../src/index.js'

export interface Batch {
  readonly x: Tensor
  readonly y: Tensor
}

export type Params = { readonly weight: Tensor; readonly bias: Tensor }

const WIDTH = 3

/** Sample k: three numbers and what a hidden map makes of them. `spoil` may change y. */
export function linearData(seed = 0, spoil: (sample: number, y: number) => number = (_, y) => y): SampleSource<Batch> {
  return {
    fingerprint: `linear ${seed}`,
    batch: (from, count) => {
      const xs = new Float32Array(count * WIDTH)
      const ys = new Float32Array(count)
      for (let row = 0; row < count; row++) {
        const numbers = Array.from({ length: WIDTH }, (_, k) => dice(seed, from + row, k) * 2 - 1)
        xs.set(numbers, row * WIDTH)
        ys[row] = spoil(from + row, 2 * numbers[0] - numbers[1] + 0.5 * numbers[2] + 1)
      }
      return { x: tensor(xs, { shape: [count, WIDTH] }), y: tensor(ys) }
    },
  }
}

export const startParams = (): Params => ({ weight: tensor([0.1, 0.2, 0.3]), bias: scalar(0) })

/** Mean of squared errors. */
export const meanLoss = ({ weight, bias }: Params, { x, y }: Batch): Tensor =>
  x
    .mul(weight)
    .sum({ axes: [1] })
    .add(bias)
    .sub(y)
    .square()
    .mean()

/** Their sum, and how many there are. */
export const summedLoss = ({ weight, bias }: Params, { x, y }: Batch) => ({
  sum: x
    .mul(weight)
    .sum({ axes: [1] })
    .add(bias)
    .sub(y)
    .square()
    .sum(),
  count: scalar(y.shape[0]),
})

export const plan: RunPlan = {
  samples: 96,
  batch: 8,
  learningRate: { style: 'cosine', maxLr: 0.1, minLr: 0.01, warmup: 16 },
}

export const options = (more: Partial<TrainerOptions<Params, Batch>> = {}): TrainerOptions<Params, Batch> => ({
  params: startParams(),
  loss: meanLoss,
  optimizer: (lr) => adamw({ lr, weightDecay: 0.1 }),
  data: linearData(),
  plan,
  ...more,
})

/** Every tensor of a snapshot as text, and its counters without the time. */
export function facts({ record, weights, slots }: Snapshot): unknown {
  const hex = (tensors: HostTensors) =>
    Object.entries(tensors).map(([name, { bytes }]) => `${name} ${Buffer.from(bytes).toString('hex')}`)
  const { trainedMs: _ms, ...counters } = record.counters
  return {
    counters,
    scaling: record.scaling,
    step: record.optimizer.step,
    weights: hex(weights),
    slots: Object.values(slots).map(hex),
  }
}
