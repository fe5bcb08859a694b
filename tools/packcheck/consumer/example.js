import { openCpu } from '@tarazed/kernels-cpu'
import { Linear, parameters } from '@tarazed/nn'
import { adamw } from '@tarazed/nn/optim'
import { compile, random, setDefaultBackend, tensor, valueAndGrad } from '@tarazed/tensor'

/** A gradient with exact numbers, and a layer that learns: the same in Node and in a browser. */
export async function example() {
  const cpu = await openCpu()
  setDefaultBackend(cpu)
  const result = { ...(await gradientOfSquares()), learned: await learn() }
  await cpu.close()
  return result
}

async function gradientOfSquares() {
  const x = tensor([1, 2, 3])
  const squares = compile(valueAndGrad((w) => w.mul(x).sub(1).square().sum()))
  const [loss, gradient] = await squares(tensor([0.5, 0.5, 0.5]))
  return { loss: await loss.item(), gradient: [...(await gradient.data())] }
}

async function learn() {
  const x = random.normal(random.key(1), [16, 4])
  const target = x.sum({ axes: -1, keepdims: true })
  const layer = Linear.init({ inFeatures: 4, outFeatures: 1, key: random.key(0) })
  const optimizer = adamw({ lr: 0.05 })
  let params = parameters(layer)
  let state = optimizer.init(params)
  const step = compile((/** @type {typeof params} */ weights, /** @type {typeof state} */ before) => {
    const [loss, grads] = valueAndGrad((p) => layer.with(p).forward(x).sub(target).square().mean())(weights)
    return { loss, ...optimizer.update(weights, grads, before) }
  })
  let first = 0
  let last = 0
  for (let i = 0; i < 50; i++) {
    const next = await step(params, state)
    last = await next.loss.item()
    if (i === 0) first = last
    params = next.params
    state = next.state
  }
  return last < first / 10
}
