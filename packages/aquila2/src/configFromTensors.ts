/** What the tensors of a checkpoint say about its configuration. They cannot be wrong; a file beside them can. */
import { ConfigError, shown } from './errors.js'
import type { RawConfig, Warn } from './rawConfig.js'

/** Shapes by name: a record of them, or the `tensors` of an open checkpoint. */
export type Shapes =
  Readonly<Record<string, readonly number[]>> | ReadonlyMap<string, { readonly shape: readonly number[] }>

/** Head size of all published models, where nothing else tells it. */
const PUBLISHED_HEAD_DIM = 128

/**
 * Fields with the sizes that the tensors have. An early revision of AquilaChat2-7B carried the configuration of the 34B.
 *
 * @param fixed fields that the caller insists on
 * @throws ConfigError when tensors contradict each other or a fixed field, or leave two readings of the heads
 */
export function tensorsWin(fields: RawConfig, shapes: Shapes, fixed: readonly string[], warn: Warn): RawConfig {
  const shapeOf = reader(shapes)
  const sizes = sizesOf(shapeOf)
  const heads = headsOf(fields, sizes, {
    agrees: fields.hidden_size === sizes.hidden_size,
    insisted: fixed.includes('num_attention_heads') || fixed.includes('head_dim'),
  })
  const result = { ...fields }
  const found: Record<string, number> = {
    vocab_size: sizes.vocab_size,
    hidden_size: sizes.hidden_size,
    num_hidden_layers: sizes.num_hidden_layers,
    intermediate_size: sizes.intermediate_size,
    num_attention_heads: sizes.queryWidth / heads,
    num_key_value_heads: sizes.keyWidth / heads,
  }
  const isPlainHead = heads * found.num_attention_heads === sizes.hidden_size
  if ((fields.head_dim ?? null) !== null || !isPlainHead) found.head_dim = heads
  for (const [field, value] of Object.entries(found)) {
    const said = fields[field] ?? (field === 'num_key_value_heads' ? fields.num_attention_heads : null) ?? null
    if (said !== null && said !== value) {
      if (fixed.includes(field))
        throw new ConfigError(`parseConfig: ${field} was set to ${shown(said)}, the tensors have ${value}`, field)
      warn(field, `${field} is ${shown(said)}, the tensors have ${value}; ${value} is used`)
    }
    result[field] = value
  }
  return result
}

type ShapeOf = (name: string) => readonly number[] | undefined

function reader(shapes: Shapes): ShapeOf & { readonly names: readonly string[] } {
  const map = shapes instanceof Map ? (shapes as ReadonlyMap<string, { readonly shape: readonly number[] }>) : null
  const record = shapes as Readonly<Record<string, readonly number[]>>
  const read: ShapeOf = (name) => (map ? map.get(name)?.shape : Object.hasOwn(record, name) ? record[name] : undefined)
  return Object.assign(read, { names: map ? [...map.keys()] : Object.keys(record) })
}

interface Sizes {
  readonly vocab_size: number
  readonly hidden_size: number
  readonly num_hidden_layers: number
  readonly intermediate_size: number
  /** H·D */
  readonly queryWidth: number
  /** G·D */
  readonly keyWidth: number
  /** From the length of `inv_freq`, where it is stored. */
  readonly headDim: number | null
}

function sizesOf(shapeOf: ReturnType<typeof reader>): Sizes {
  const [vocab_size, hidden_size] = matrix(shapeOf, 'model.embed_tokens.weight')
  checkHead(shapeOf, [vocab_size, hidden_size])
  const layers = layerNumbers(shapeOf.names)
  const first = layerSizes(shapeOf, 0)
  for (const layer of layers.slice(1)) {
    const sizes = layerSizes(shapeOf, layer)
    for (const [tensor, rows] of Object.entries(sizes))
      if (rows !== first[tensor])
        throw new ConfigError(
          `parseConfig: all layers have one shape, got ${rows} rows in model.layers.${layer}.${tensor}.weight and ${first[tensor]} in layer 0; the shards may be of different models`,
          'num_hidden_layers',
        )
  }
  const frequencies = shapeOf('model.layers.0.self_attn.rotary_emb.inv_freq')
  return {
    vocab_size,
    hidden_size,
    num_hidden_layers: layers.length,
    intermediate_size: first['mlp.gate_proj'],
    queryWidth: first['self_attn.q_proj'],
    keyWidth: first['self_attn.k_proj'],
    headDim: frequencies?.length === 1 ? 2 * frequencies[0] : null,
  }
}

/** Rows of the matrices that tell sizes. */
function layerSizes(shapeOf: ShapeOf, layer: number): Record<string, number> {
  const rows = (tensor: string): number => matrix(shapeOf, `model.layers.${layer}.${tensor}.weight`)[0]
  return Object.fromEntries(
    ['self_attn.q_proj', 'self_attn.k_proj', 'mlp.gate_proj'].map((tensor) => [tensor, rows(tensor)]),
  )
}

function layerNumbers(names: readonly string[]): number[] {
  const found = new Set<number>()
  for (const name of names) {
    const layer = /^model\.layers\.(\d+)\./.exec(name)
    if (layer !== null) found.add(Number(layer[1]))
  }
  const layers = [...found].sort((a, b) => a - b)
  const gap = layers.findIndex((layer, k) => layer !== k)
  if (layers.length === 0 || gap >= 0)
    throw new ConfigError(
      `parseConfig: layers are counted from 0 without a gap, got ${layers.length === 0 ? 'none' : `${gap === 0 ? 'none' : gap - 1} before ${layers[gap]}`}; a shard may be missing`,
      'num_hidden_layers',
    )
  return layers
}

function matrix(shapeOf: ShapeOf, name: string): readonly [number, number] {
  const shape = shapeOf(name)
  if (shape === undefined)
    throw new ConfigError(`parseConfig: an Aquila2 has the tensor ${name}, got none of this name`, 'architectures')
  if (shape.length !== 2)
    throw new ConfigError(`parseConfig: ${name} is a matrix, got [${shape.join(', ')}]`, 'architectures')
  return [shape[0], shape[1]]
}

function checkHead(shapeOf: ShapeOf, [vocabulary, hidden]: readonly [number, number]): void {
  const head = shapeOf('lm_head.weight')
  if (head === undefined || (head[0] === vocabulary && head[1] === hidden)) return
  throw new ConfigError(
    `parseConfig: lm_head.weight and model.embed_tokens.weight have one shape, got [${head.join(', ')}] and [${vocabulary}, ${hidden}]; one of them may be padded: trim it to the vocabulary`,
    'vocab_size',
  )
}

/**
 * The head size: of inv_freq; else of a file that agrees with all tensors; else the only one of two readings that is
 * possible, the file's number of heads or the published head size.
 */
function headsOf(
  fields: RawConfig,
  sizes: Sizes,
  { agrees, insisted }: { readonly agrees: boolean; readonly insisted: boolean },
): number {
  const { queryWidth, keyWidth, hidden_size } = sizes
  const fits = (D: number): boolean =>
    Number.isSafeInteger(D) && D >= 2 && D % 2 === 0 && queryWidth % D === 0 && keyWidth % D === 0
  const widths = `q_proj has ${queryWidth} rows and k_proj ${keyWidth}, hidden_size is ${hidden_size}`
  if (sizes.headDim !== null) {
    if (fits(sizes.headDim)) return sizes.headDim
    throw new ConfigError(`parseConfig: heads have ${sizes.headDim} channels by inv_freq, but ${widths}`, 'head_dim')
  }
  const said = (fields.head_dim ?? queryWidth / (fields.num_attention_heads as number)) as number
  const saidKeyHeads = fields.num_key_value_heads ?? fields.num_attention_heads
  if (fits(said) && (insisted || (agrees && keyWidth / said === saidKeyHeads))) return said
  const readings = [...new Set([said, PUBLISHED_HEAD_DIM])].filter(fits)
  if (readings.length === 1) return readings[0]
  throw new ConfigError(
    readings.length === 0
      ? `parseConfig: the tensors leave no way to divide heads: ${widths}; give num_attention_heads in overrides`
      : `parseConfig: heads have ${readings.join(' or ')} channels: ${widths}, and the file contradicts the tensors elsewhere; give num_attention_heads in overrides`,
    'num_attention_heads',
  )
}
