/**
 * What the bench uses of jax-js, so that the repository type-checks without the peers installed (they have a lockfile
 * of their own). Passing an array to a function consumes it; `.ref` keeps it for another use.
 */
declare module '@jax-js/jax' {
  export class Array {
    readonly shape: number[]
    get ref(): this
    add(other: ArrayLike): this
    sub(other: ArrayLike): this
    mul(other: ArrayLike): this
    div(other: ArrayLike): this
    sum(axis?: number): this
    mean(axis?: number): this
    reshape(shape: number[]): this
    transpose(permutation?: number[]): this
    slice(...index: (number | [] | [number, number] | Array)[]): this
    data(): Promise<Float32Array>
    dispose(): void
  }
  export type ArrayLike = Array | number
  export type Tree = Array | readonly Tree[] | { readonly [key: string]: Tree }

  export function init(...devices: string[]): Promise<string[]>
  export function defaultDevice(device: string): string
  export function blockUntilReady<T extends Tree>(tree: T): Promise<T>
  export function jit<A extends readonly Tree[], R extends Tree>(
    fn: (...args: A) => R,
  ): ((...args: A) => R) & { dispose(): void }
  export function valueAndGrad<P extends Tree, A extends readonly Tree[]>(
    fn: (params: P, ...args: A) => Array,
  ): (params: P, ...args: A) => [Array, P]

  export const numpy: {
    readonly bool: 'bool'
    readonly int32: 'int32'
    array(values: Float32Array | Int32Array, options?: { shape?: number[]; dtype?: 'int32' }): Array
    zeros(shape: number[]): Array
    ones(shape: number[]): Array
    matmul(a: Array, b: Array): Array
    exp(x: Array): Array
    sqrt(x: Array): Array
    square(x: Array): Array
    mean(x: Array, axis: number, options: { keepdims: boolean }): Array
    minimum(x: Array, y: ArrayLike): Array
    reciprocal(x: Array): Array
    concatenate(parts: Array[], axis: number): Array
    cumsum(x: Array, axis?: number): Array
    tri(rows: number, columns: number, k: number, options: { dtype: 'bool' }): Array
    where(condition: Array, x: ArrayLike, y: ArrayLike): Array
    split(x: Array, sections: number, axis: number): Array[]
  }
  export const nn: {
    relu(x: Array): Array
    silu(x: Array): Array
    gelu(x: Array, options?: { approximate?: boolean }): Array
    softmax(x: Array, axis?: number): Array
    logSoftmax(x: Array, axis?: number): Array
    logsumexp(x: Array, axis?: number): Array
    standardize(x: Array, axis?: number, options?: { epsilon?: number }): Array
    oneHot(x: Array, classes: number): Array
  }
  export const tree: {
    map<T extends Tree>(fn: (...leaves: Array[]) => Array, first: T, ...rest: T[]): T
    leaves(tree: Tree): Array[]
    flatten(tree: Tree): [Array[], unknown]
    unflatten(definition: unknown, leaves: Array[]): Tree
    ref<T extends Tree>(tree: T): T
    dispose(tree: Tree): void
  }
}
