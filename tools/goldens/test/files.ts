/** Small areas of reference results in temporary folders. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { bytesOf, type HostDType } from '../src/hostTensor.js'

export interface Contents {
  readonly dtype: HostDType
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'goldens-'))
}

export function f32(shape: readonly number[], values: readonly number[]): Contents {
  return { dtype: 'f32', shape, values }
}

/** A well-formed safetensors file. */
export function safetensorsBytes(tensors: Readonly<Record<string, Contents>>): Uint8Array {
  const header: Record<string, unknown> = {}
  const parts: Uint8Array[] = []
  let at = 0
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    const bytes = bytesOf(values, dtype)
    header[name] = { dtype: dtype.toUpperCase(), shape, data_offsets: [at, at + bytes.length] }
    parts.push(bytes)
    at += bytes.length
  }
  return withHeader(JSON.stringify(header), Buffer.concat(parts))
}

/** A file with any text as its header. */
export function withHeader(header: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = new TextEncoder().encode(header)
  const length = new Uint8Array(8)
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true)
  return new Uint8Array(Buffer.concat([length, text, data]))
}

export function writeFile(folder: string, path: string, contents: string | Uint8Array): void {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, contents)
}

export function writeJsonFile(folder: string, path: string, value: unknown): void {
  writeFile(folder, path, JSON.stringify(value))
}

export const TOLERANCES = { f32: [1e-5, 1e-6], i32: [0, 0], bool: [0, 0] }

/** An entry of a tensor area that negates two numbers. */
export function negCase(k: number, more: object = {}): Record<string, unknown> {
  const spec = { dtype: 'f32', shape: [2] }
  return {
    id: `neg/${k}`,
    group: 'ops',
    op: 'neg',
    file: 'ops/neg.safetensors',
    key: `case${k}`,
    attrs: {},
    inputs: [{ name: 'in0', ...spec }],
    outputs: [{ name: 'out0', ...spec }],
    ...more,
  }
}

/** Stored tensors of `negCase(k)`. */
export function negTensors(k: number, out: readonly number[] = [-1, 2]): Record<string, Contents> {
  return { [`case${k}.in0`]: f32([2], [1, -2]), [`case${k}.out0`]: f32([2], out) }
}

/** A tensor area in a new folder. */
export function writeTensorArea(
  tensors: Readonly<Record<string, Contents>>,
  cases: readonly object[],
  errors: readonly object[] = [],
): string {
  const folder = temporaryFolder()
  writeJsonFile(folder, 'goldens.json', { kind: 'tensor', layout: 1 })
  writeJsonFile(folder, 'index.json', { tolerances: TOLERANCES, cases, errors })
  writeFile(folder, 'ops/neg.safetensors', safetensorsBytes(tensors))
  return folder
}
