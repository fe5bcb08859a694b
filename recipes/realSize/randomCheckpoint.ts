/** A checkpoint of random numbers that anyone can make again: written, cut anew and compared a piece at a time. */
import { type Aquila2Config, parameterShapes } from '@tarazed/aquila2'
import { openCheckpoint, type TensorToWrite } from '@tarazed/checkpoint'
import { diskFolder, writeShardedSafetensors } from '@tarazed/checkpoint/node'

/** bf16 numbers near 0.02·normal, as new weights are; a prime number of them, so that tensors start at different places. */
const POOL = bf16Pool(2_097_143)
const PIECE_BYTES = 8 * 2 ** 20

/** Writes every tensor of a configuration in bf16. */
export async function writeRandom(folder: string, config: Aquila2Config, maxShardBytes: number): Promise<void> {
  const tensors = Object.entries(parameterShapes(config)).map(([name, shape], number): TensorToWrite => ({
    name,
    dtype: 'BF16',
    shape,
    bytes: () => pieces(number, 2 * sizeOf(shape)),
  }))
  await writeShardedSafetensors(folder, tensors, { maxShardBytes, metadata: { format: 'pt' } })
}

/** The same tensors in other shards, streamed from one folder to the other. */
export async function reshard(from: string, to: string, maxShardBytes: number): Promise<void> {
  const checkpoint = await openCheckpoint(diskFolder(from))
  const tensors = [...checkpoint.tensors.values()].map(({ name, dtype, shape }): TensorToWrite => ({
    name,
    dtype,
    shape,
    bytes: () => checkpoint.stream(name),
  }))
  await writeShardedSafetensors(to, tensors, { maxShardBytes, metadata: { format: 'pt' } })
  await checkpoint.close()
}

/** Tensors whose bytes are not those that `writeRandom` makes; one line each. */
export async function differences(folder: string, config: Aquila2Config): Promise<string[]> {
  const checkpoint = await openCheckpoint(diskFolder(folder))
  const wanted = Object.entries(parameterShapes(config))
  const wrong: string[] = []
  if (checkpoint.tensors.size !== wanted.length)
    wrong.push(`got ${checkpoint.tensors.size} tensors, want ${wanted.length}`)
  for (const [number, [name, shape]] of wanted.entries()) {
    const expected = pieces(number, 2 * sizeOf(shape))
    for await (const piece of checkpoint.stream(name, { chunkBytes: PIECE_BYTES })) {
      const { value } = await expected.next()
      if (value === undefined || Buffer.compare(piece, value) !== 0) {
        wrong.push(`${name} has other bytes`)
        break
      }
    }
  }
  await checkpoint.close()
  return wrong
}

/** The bytes of tensor `number`, in pieces: the pool from a place of its own, over and over. */
async function* pieces(number: number, byteLength: number): AsyncGenerator<Uint8Array> {
  let at = (number * 7919 * 2) % POOL.length
  for (let done = 0; done < byteLength;) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, byteLength - done))
    for (let filled = 0; filled < piece.length;) {
      const part = POOL.subarray(at, at + piece.length - filled)
      piece.set(part, filled)
      filled += part.length
      at = (at + part.length) % POOL.length
    }
    yield piece
    done += piece.length
  }
}

function bf16Pool(count: number): Uint8Array {
  const values = new Float32Array(count)
  let state = 1
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  for (let k = 0; k < count; k++)
    values[k] = 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
  const words = new Uint32Array(values.buffer)
  return new Uint8Array(Uint16Array.from(words, (word) => word >>> 16).buffer)
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}
