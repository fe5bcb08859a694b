/** What the bench uses of onnxruntime-web, so that the repository type-checks without the peers installed. */
declare module 'onnxruntime-web' {
  export class Tensor {
    constructor(type: 'float32', data: Float32Array, dims: readonly number[])
    readonly data: Float32Array
    readonly dims: readonly number[]
  }
  export class InferenceSession {
    static create(model: Uint8Array, options: { executionProviders: readonly string[] }): Promise<InferenceSession>
    run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>
    release(): Promise<void>
  }
  export const env: { readonly wasm: { numThreads: number } }
}
