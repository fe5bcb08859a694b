/** One forward step of one layer of a configuration, on the CPU. */
import { type Aquila2Config, DecoderLayer, layerShapes, ropeFrequencies } from '@tarazed/aquila2'
import { openCpu } from '@tarazed/kernels-cpu'
import { type Tensor, arange, compile, evaluate, random, setDefaultBackend } from '@tarazed/tensor'

/** What a step took. */
export interface LayerStep {
  readonly parameters: number
  readonly milliseconds: number
  /** 2 FLOP for each parameter of a matrix and token; attention itself is not counted. */
  readonly gflops: number
  readonly isFinite: boolean
}

/** Runs a layer of random f32 weights on `tokens` tokens: once to compile, once timed. */
export async function layerForward(config: Aquila2Config, tokens: number): Promise<LayerStep> {
  const backend = await openCpu()
  setDefaultBackend(backend)
  try {
    const layer = DecoderLayer.init(config, random.key(0), 'f32')
    const x = random.normal(random.key(1), [1, tokens, config.hidden_size])
    await evaluate(layer, x)
    const frequencies = ropeFrequencies(config)
    const step = compile((layer: DecoderLayer, x: Tensor) =>
      layer.forward(x, { positions: arange(tokens), frequencies, mask: null }),
    )
    await evaluate(await step(layer, x))
    const start = performance.now()
    const out = await step(layer, x)
    const values = await out.data()
    const milliseconds = performance.now() - start
    const shapes = Object.values(layerShapes(config))
    const count = (rank: number): number =>
      shapes.filter((shape) => shape.length >= rank).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0)
    return {
      parameters: count(1),
      milliseconds,
      gflops: (2 * count(2) * tokens) / milliseconds / 1e6,
      isFinite: values.every((value) => Number.isFinite(Number(value))),
    }
  } finally {
    await backend.close()
  }
}
