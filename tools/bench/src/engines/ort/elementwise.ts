import { Tensor } from 'onnxruntime-web'
import type { Measurements } from '../../bench.js'
import { ELEMENTWISE_CASES, ELEMENTWISE_SIZE, type ElementwiseCase } from '../../benches/elementwise.js'
import { measureCases } from '../../measureCases.js'
import { bestMilliseconds } from '../../timing.js'
import type { OneOperator } from './onnxModel.js'
import { openSession, randomTensor } from './session.js'

/** x and y [rows, columns]; softmax and layer norm over the last axis. Reductions are of the last set with axes as attributes. */
export function operation(name: ElementwiseCase, rows: number, columns: number): OneOperator {
  const x = [rows, columns]
  switch (name) {
    case 'add':
      return { operator: 'Add', opset: 17, inputs: { x, y: x }, output: x }
    case 'exp':
      return { operator: 'Exp', opset: 17, inputs: { x }, output: x }
    case 'sum':
      return { operator: 'ReduceSum', opset: 12, inputs: { x }, output: [], attributes: { keepdims: 0 } }
    case 'row sums':
      return { operator: 'ReduceSum', opset: 12, inputs: { x }, output: [rows], attributes: { axes: [1], keepdims: 0 } }
    case 'softmax':
      return { operator: 'Softmax', opset: 17, inputs: { x }, output: x }
    case 'layerNorm':
      return { operator: 'LayerNormalization', opset: 17, inputs: { x, scale: [columns] }, output: x }
    default:
      return name satisfies never
  }
}

/** What an operation takes; the scale of the layer norm is 1. */
export function feedsOf(operator: OneOperator): Record<string, Tensor> {
  const { x, y, scale } = operator.inputs
  return {
    x: randomTensor(x, 1),
    ...(y === undefined ? {} : { y: randomTensor(y, 2) }),
    ...(scale === undefined ? {} : { scale: new Tensor('float32', new Float32Array(scale[0]).fill(1), scale) }),
  }
}

/** Milliseconds. */
export async function measureElementwise(): Promise<Measurements> {
  return measureCases(
    ELEMENTWISE_CASES.map((name) => [
      name,
      async () => {
        const operator = operation(name, ELEMENTWISE_SIZE, ELEMENTWISE_SIZE)
        const session = await openSession(operator)
        const feeds = feedsOf(operator)
        const ms = await bestMilliseconds(() => session.run(feeds))
        await session.release()
        return ms
      },
    ]),
  )
}
