/** Writing text: one byte at a time from a compiled step whose key/value cache is updated in place. */
import type { KvCache } from '@tarazed/nn'
import { type Tensor, compile, random, scalar, tensor } from '@tarazed/tensor'
import type { Run } from './checkpoint.js'
import { END_OF_DOCUMENT } from './corpus.js'
import { type ByteModel, type ModelConfig, emptyCaches } from './model.js'

export interface SampleOptions {
  /** Bytes to go on from. */
  readonly prompt: Uint8Array
  readonly length: number
  /** Below 1 likely bytes become likelier. */
  readonly temperature: number
  readonly seed: number
}

/** One byte of text: read it, draw the next. Traced once for every position; the caches are written in place. */
function compileDecode(model: ByteModel, temperature: number) {
  return compile(
    (params: Run['params'], caches: KvCache[], byte: Tensor, position: Tensor, key: Tensor) => {
      const { logits, caches: grown } = model.with(params).forwardCached(byte, position, caches)
      const drawn = random.categorical(random.foldIn(key, position), logits.div(temperature)) // i32 [1]
      return { drawn, grown }
    },
    { donate: ['caches'] },
  )
}

/** Bytes that the model writes after the prompt, one by one. */
export async function* sampleBytes(
  model: ByteModel,
  config: ModelConfig,
  params: Run['params'],
  { prompt, length, temperature, seed }: SampleOptions,
): AsyncGenerator<number> {
  const decode = compileDecode(model, temperature)
  const key = random.key(seed)
  const known = [END_OF_DOCUMENT, ...prompt]
  let cache = emptyCaches(config)
  let byte = tensor(Int32Array.of(known[0]))
  for (let position = 0; position < known.length + length - 1; position++) {
    const { drawn, grown } = await decode(params, cache, byte, scalar(position, { dtype: 'i32' }), key)
    cache = grown
    if (position + 1 < known.length) byte = tensor(Int32Array.of(known[position + 1]))
    else {
      byte = drawn
      yield await drawn.item()
    }
  }
}

/** Bytes as text for a terminal: unfinished characters wait, control characters do not pass. */
export async function* readableText(bytes: AsyncIterable<number>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  for await (const byte of bytes) yield printable(decoder.decode(Uint8Array.of(byte), { stream: true }))
  yield printable(decoder.decode())
}

function printable(text: string): string {
  return text.replaceAll('\0', '\n').replace(/[\u0001-\u0008\u000b-\u001f\u007f-\u009f]/g, '\ufffd')
}
