/** Cuts a list of tensors into shards. */
import { type TensorInfo } from '../checkpoint.js'

/** A file and its tensors. */
export interface Shard<T> {
  readonly file: string
  readonly tensors: readonly T[]
}

/** The content of `model.safetensors.index.json`. */
export interface ShardIndex {
  readonly metadata: { readonly total_size: number }
  readonly weight_map: Readonly<Record<string, string>>
}

/** Fills shards in the order of the tensors; one shard needs no index. */
export function planShards<T extends TensorInfo>(
  tensors: readonly T[],
  maxShardBytes: number,
): { readonly shards: readonly Shard<T>[]; readonly index: ShardIndex | undefined } {
  const groups: T[][] = [[]]
  let bytes = 0
  for (const tensor of tensors) {
    if (bytes > 0 && bytes + tensor.byteLength > maxShardBytes) {
      groups.push([])
      bytes = 0
    }
    groups[groups.length - 1].push(tensor)
    bytes += tensor.byteLength
  }
  if (groups.length === 1) return { shards: [{ file: 'model.safetensors', tensors }], index: undefined }
  const shards = groups.map((group, k) => ({ file: shardName(k + 1, groups.length), tensors: group }))
  const entries = shards.flatMap(({ file, tensors: part }) => part.map(({ name }): [string, string] => [name, file]))
  const total_size = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0)
  return { shards, index: { metadata: { total_size }, weight_map: Object.fromEntries(entries) } }
}

/** `model-00002-of-00007.safetensors` */
function shardName(number: number, count: number): string {
  const five = (value: number) => String(value).padStart(5, '0')
  return `model-${five(number)}-of-${five(count)}.safetensors`
}
