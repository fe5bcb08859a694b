/** GGUF: block types, and the tensors, types and metadata of a model file. */
import {
  bytesSource,
  fromFloat32,
  ggufToHfName,
  openGguf,
  toFloat32,
  writableBlockTypes,
  type GgufBlockType,
  type GgufCheckpoint,
  type StoredDType,
} from '@tarazed/checkpoint'
import { type Area } from '../../areas.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type GoldenCase } from '../../case.js'
import { compareNumbers, type Tolerance } from '../../compare.js'
import { numbersOf } from '../../hostTensor.js'

/** `expected.json` of a folder `aquila2-gguf…`. */
interface GgufIndex {
  readonly tensor_types?: Readonly<Record<string, string>>
  readonly shapes?: Readonly<Record<string, readonly number[]>>
  /** How the bytes of each type were made, in words. */
  readonly blocks?: Readonly<Record<string, string>>
  /** Keys of the file, and the counts `tokens` and `merges`. */
  readonly metadata?: Readonly<Record<string, unknown>>
}

const TOLERANCE: Tolerance = [1e-6, 1e-7]

/** The cases of every folder whose name begins with `aquila2-gguf`. */
export function cases(_area: Area, files: AreaFiles): GoldenCase[] {
  const folders = new Set(files.list().map((file) => file.split('/')[0]))
  return [...folders].filter((folder) => folder.startsWith('aquila2-gguf')).flatMap((folder) => casesOf(folder, files))
}

function casesOf(folder: string, files: AreaFiles): GoldenCase[] {
  const index = files.json(`${folder}/expected.json`) as GgufIndex
  const types = Object.keys(index.blocks ?? {}) as StoredDType[]
  const blocks = types.map((type): GoldenCase => ({
    id: `blocks/${type}`,
    op: folder,
    sources: [
      { file: `${folder}/blocks.safetensors`, key: type },
      { file: `${folder}/blocks.safetensors`, key: 'source' },
    ],
    run: () => Promise.resolve(checkBlocks(files, `${folder}/blocks.safetensors`, type)),
  }))
  const model: GoldenCase = {
    id: 'tensors',
    op: folder,
    sources: [{ file: `${folder}/model.gguf` }, { file: `${folder}/expected.safetensors`, key: 'tensor' }],
    run: () => checkModel(files, folder, index),
  }
  return [...blocks, ...(index.tensor_types === undefined ? [] : [model])]
}

/** Bytes give the stored numbers; types that can be written lose no more of the source than the reference does. */
function checkBlocks(files: AreaFiles, file: string, type: StoredDType): string | null {
  const bytes = files.tensor(file, `${type}.bytes`).bytes
  const values = files.tensor(file, `${type}.values`)
  const want = numbersOf(values)
  const source = Float32Array.from(numbersOf(files.tensor(file, 'source.values')))
  const finding = compareNumbers(type, values.shape, toFloat32(bytes, type), want, { tolerance: TOLERANCE })
  if (finding !== null) return finding
  const isExact = type === 'F16' || type === 'BF16'
  if (!isExact && !writableBlockTypes.includes(type as GgufBlockType)) return null
  const written = fromFloat32(source, type)
  if (isExact) return Buffer.compare(written, bytes) === 0 ? null : `${type}: written bytes differ from the reference`
  const [ours, theirs] = [squaredError(toFloat32(written, type), source), squaredError(want, source)]
  return ours <= theirs * (1 + 1e-6) ? null : `${type}: squared error must be at most ${theirs}, got ${ours}`
}

function squaredError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < want.length; i++) sum += (got[i] - want[i]) ** 2
  return sum
}

async function checkModel(files: AreaFiles, folder: string, index: GgufIndex): Promise<string | null> {
  const open = (names: 'gguf' | 'hf') =>
    openGguf(bytesSource(`${folder}/model.gguf`, files.bytes(`${folder}/model.gguf`)), { names })
  const stored = await open('gguf')
  return (
    (await checkTensors(files, folder, index, stored)) ??
    checkMetadata(index, stored) ??
    (await checkRows(stored, await open('hf')))
  )
}

async function checkTensors(
  files: AreaFiles,
  folder: string,
  { tensor_types: types = {}, shapes = {} }: GgufIndex,
  stored: GgufCheckpoint,
): Promise<string | null> {
  const expected = files.tensorNames(`${folder}/expected.safetensors`).filter((name) => name.startsWith('tensor.'))
  if (expected.length !== stored.tensors.size) return `got ${stored.tensors.size} tensors, want ${expected.length}`
  for (const [name, { dtype, shape }] of stored.tensors) {
    const want = files.tensor(`${folder}/expected.safetensors`, `tensor.${name}`)
    const [is, should] = [`${dtype}[${shape.join(', ')}]`, `${types[name]}[${(shapes[name] ?? want.shape).join(', ')}]`]
    if (is !== should) return `tensor ${name}: got ${is}, want ${should}`
    const got = toFloat32(await stored.read(name), dtype)
    const finding = compareNumbers(name, want.shape, got, numbersOf(want), { tolerance: TOLERANCE })
    if (finding !== null) return finding
  }
  return null
}

function checkMetadata({ metadata = {} }: GgufIndex, stored: GgufCheckpoint): string | null {
  for (const [key, want] of Object.entries(metadata)) {
    const value = stored.metadata.get(/^(tokens|merges)$/.test(key) ? `tokenizer.ggml.${key}` : key)
    const got = Array.isArray(value) ? value.length : value
    if (got !== want) return `metadata ${key}: got ${String(got)}, want ${String(want)}`
  }
  return null
}

/** Rows of q and k in the order of Hugging Face, from the formula of the index: [heads, d/2, 2] -> [heads, 2, d/2]. */
async function checkRows(stored: GgufCheckpoint, hf: GgufCheckpoint): Promise<string | null> {
  const heads = { q: Number(stored.metadata.get('llama.attention.head_count')), k: 0 }
  heads.k = Number(stored.metadata.get('llama.attention.head_count_kv') ?? heads.q)
  for (const [name, { dtype, shape }] of stored.tensors) {
    const kind = /attn_([qk])\.weight$/.exec(name)?.[1] as 'q' | 'k' | undefined
    const from = toFloat32(await stored.read(name), dtype)
    const to = toFloat32(await hf.read(ggufToHfName(name) ?? name), dtype)
    const headRows = kind === undefined ? 0 : shape[0] / heads[kind]
    const columns = shape[1] ?? 1
    const wrong = to.findIndex((value, at) => {
      const row = Math.floor(at / columns)
      return value !== from[(kind === undefined ? row : ggufRow(row, headRows)) * columns + (at % columns)]
    })
    if (wrong >= 0) return `row ${Math.floor(wrong / columns)} of ${name} is not in the order of Hugging Face`
  }
  return null
}

function ggufRow(row: number, headRows: number): number {
  const within = row % headRows
  const [j, i] = [Math.floor(within / (headRows / 2)), within % (headRows / 2)]
  return row - within + 2 * i + j
}
