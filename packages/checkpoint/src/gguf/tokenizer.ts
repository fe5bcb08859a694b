/** The tokenizer inside a GGUF file. */
import { type Checkpoint } from '../checkpoint.js'
import { ArgumentError, CheckpointError, shown } from '../errors.js'

/** A byte-level BPE as GGUF stores it. */
export interface GgufTokenizer {
  /** By id, in the alphabet of byte-level BPE. */
  readonly tokens: readonly string[]
  /** `left right`, best first. */
  readonly merges: readonly string[]
  /** 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte; undefined when the file has none. */
  readonly types: ArrayLike<number> | undefined
  readonly bos: string | undefined
  readonly eos: string | undefined
  readonly pad: string | undefined
  readonly unk: string | undefined
  readonly chatTemplate: string | undefined
  /** What was odd, and repaired. */
  readonly warnings: readonly string[]
}

/** The tokens that old conversions of Aquila2 lack at the end: ids 100000 to 100007. */
const AQUILA_SPECIALS = [
  '<|startofpiece|>',
  '<|endofpiece|>',
  '<|LDWANG|>',
  '[MASK]',
  '[gMASK]',
  '[sMASK]',
  '[CLS]',
  '</s>',
] as const

const AQUILA_TOKENS = 100_000
const AQUILA_MERGES = 99_743
const NORMAL = 1
const CONTROL = 3

/**
 * Reads the tokenizer of a GGUF checkpoint. Old conversions of Aquila2 list 100,000 tokens though the embedding has
 * 100,008 rows; the eight special tokens are then appended, with a warning.
 *
 * @throws CheckpointError when the file has no byte-level BPE or its parts contradict each other
 */
export function readGgufTokenizer(checkpoint: Checkpoint): GgufTokenizer {
  if (checkpoint?.format !== 'gguf')
    throw new ArgumentError(`readGgufTokenizer: checkpoint must be GGUF, got ${shown(checkpoint?.format)}`)
  const { metadata, name: file } = checkpoint
  const key = (suffix: string) => metadata.get(`tokenizer.ggml.${suffix}`)
  if (key('model') !== 'gpt2')
    throw new CheckpointError({
      file,
      rule: 'tokenizer.ggml.model must be "gpt2", byte-level BPE',
      got: shown(key('model')),
      wayOut: 'put tokenizer.json of the original model beside the file',
    })
  const listed = texts(file, 'tokens', key('tokens'))
  const merges = texts(file, 'merges', key('merges') ?? [])
  const rows = embeddingRows(checkpoint)
  const isOldAquila =
    listed.length === AQUILA_TOKENS && merges.length === AQUILA_MERGES && listed[0] === '<|endoftext|>'
  const isRepaired = isOldAquila && rows === AQUILA_TOKENS + AQUILA_SPECIALS.length
  const tokens = isRepaired ? [...listed, ...AQUILA_SPECIALS] : listed
  const warnings: string[] = []
  if (isRepaired)
    warnings.push(
      `${file}: the tokenizer lists ${listed.length} tokens but the embedding has ${rows} rows, as in old conversions ` +
        `of Aquila2; the special tokens ${AQUILA_SPECIALS.join(' ')} were appended`,
    )
  else if (rows !== undefined && rows !== tokens.length)
    warnings.push(`${file}: the tokenizer has ${tokens.length} tokens but the embedding has ${rows} rows`)
  const special = (what: string) => specialToken(file, what, key(`${what}_token_id`), tokens)
  return {
    tokens,
    merges,
    types: typesOf(file, key('token_type'), listed.length, tokens.length),
    bos: special('bos') ?? (isRepaired ? '[CLS]' : undefined),
    eos: special('eos') ?? (isRepaired ? '</s>' : undefined),
    pad: special('padding'),
    unk: special('unknown'),
    chatTemplate:
      typeof metadata.get('tokenizer.chat_template') === 'string'
        ? String(metadata.get('tokenizer.chat_template'))
        : undefined,
    warnings,
  }
}

function embeddingRows({ tensors }: Checkpoint): number | undefined {
  return (tensors.get('token_embd.weight') ?? tensors.get('model.embed_tokens.weight'))?.shape[0]
}

function texts(file: string, what: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value as string[]
  throw new CheckpointError({ file, rule: `tokenizer.ggml.${what} must be a list of texts`, got: shown(value) })
}

function specialToken(file: string, what: string, id: unknown, tokens: readonly string[]): string | undefined {
  if (id === undefined) return undefined
  if (typeof id === 'number' && id < tokens.length && tokens[id] !== undefined) return tokens[id]
  throw new CheckpointError({
    file,
    rule: `tokenizer.ggml.${what}_token_id must be one of ${tokens.length} tokens`,
    got: shown(id),
  })
}

function typesOf(file: string, types: unknown, listed: number, all: number): ArrayLike<number> | undefined {
  if (types === undefined) return undefined
  if (!ArrayBuffer.isView(types) || (types as Int32Array).length !== listed)
    throw new CheckpointError({
      file,
      rule: `tokenizer.ggml.token_type must hold ${listed} numbers`,
      got: shown(types),
    })
  return Array.from({ length: all }, (_, id) => (id < listed ? Number((types as Int32Array)[id] ?? NORMAL) : CONTROL))
}
