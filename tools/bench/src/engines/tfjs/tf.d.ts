/** What the bench uses of TensorFlow.js, so that the repository type-checks without the peers installed. */
declare module '@tensorflow/tfjs-core' {
  export interface Tensor {
    readonly shape: number[]
    dataSync(): Float32Array
    data(): Promise<Float32Array>
    dispose(): void
  }
  export interface Variable extends Tensor {
    readonly name: string
  }
  export interface Optimizer {
    minimize(loss: () => Tensor, returnCost: true, variables?: Variable[]): Tensor
  }

  export function setBackend(name: string): Promise<boolean>
  export function ready(): Promise<void>
  export function tidy<T>(fn: () => T): T
  export function tensor(values: Float32Array | Int32Array, shape: readonly number[], dtype?: 'int32'): Tensor
  export function variable(initial: Tensor): Variable
  export function matMul(a: Tensor, b: Tensor): Tensor
  export function transpose(x: Tensor): Tensor
  export function add(a: Tensor, b: Tensor | number): Tensor
  export function exp(x: Tensor): Tensor
  export function sum(x: Tensor, axis?: number): Tensor
  export function softmax(x: Tensor): Tensor
  export function relu(x: Tensor): Tensor
  export function sub(a: Tensor, b: Tensor): Tensor
  export function mul(a: Tensor, b: Tensor | number): Tensor
  export function rsqrt(x: Tensor): Tensor
  export function mean(x: Tensor, axis: number, keepDims: boolean): Tensor
  export function square(x: Tensor): Tensor
  export function cumsum(x: Tensor): Tensor
  export function oneHot(ids: Tensor, depth: number): Tensor
  export const losses: { softmaxCrossEntropy(oneHotLabels: Tensor, logits: Tensor): Tensor }
  export const train: { sgd(learningRate: number): Optimizer }
}

declare module '@tensorflow/tfjs-layers'

declare module '@tensorflow/tfjs-backend-wasm' {
  export function setWasmPaths(prefix: string, usePlatformFetch?: boolean): void
}
