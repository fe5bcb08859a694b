/** Puts a byte-level BPE tokenizer together, whatever files its parts come from. */
import { type AddedToken } from '../addedTokens.js'
import { ByteLevelBpe } from '../bpe/byteLevelBpe.js'
import { Joints } from '../bpe/joints.js'
import { type Splitter } from '../bpe/splitters.js'
import { bytesOfToken } from '../byteAlphabet.js'
import { type Normalizer } from '../normalization.js'
import { SubwordTokenizer } from '../subwordTokenizer.js'
import { Vocabulary } from '../vocabulary.js'
import { requireFrame, type Frame } from './frame.js'
import { indexMerges, type TokenPair } from './merges.js'
import { type Settings } from './settings.js'

/** The parts of a byte-level tokenizer. */
export interface ByteLevelParts {
  /** The file or files, for messages. */
  readonly file: string
  readonly vocab: Iterable<readonly [string, unknown]>
  readonly merges: readonly TokenPair[]
  readonly added: readonly AddedToken[]
  readonly settings: Pick<Settings, 'roles' | 'cleanUp' | 'modelMaxLength'>
  /** The token for bytes that have none. */
  readonly unknown?: string
  readonly splitter?: Splitter
  readonly addPrefixSpace?: boolean
  readonly ignoreMerges?: boolean
  readonly normalizer?: Normalizer
  readonly frame?: Frame
}

/** @throws TokenizerError when the parts contradict each other */
export function byteLevelTokenizer(parts: ByteLevelParts): SubwordTokenizer {
  const vocabulary = Vocabulary.of(parts.vocab, parts.added, parts.file)
  const merges = indexMerges(parts.merges, vocabulary.ids, parts.file)
  const bytes = textsOf(vocabulary, parts.added)
  return new SubwordTokenizer({
    vocabulary,
    added: parts.added,
    texts: { bytes, special: new Set(parts.added.filter(({ special }) => special).map(({ id }) => id)) },
    model: new ByteLevelBpe({
      merges,
      unknown: parts.unknown === undefined ? -1 : (vocabulary.ids.get(parts.unknown) ?? -1),
      byteLength: (id) => bytes[id]?.length ?? 0,
      joints: parts.ignoreMerges === true || merges.byteIds.includes(-1) ? undefined : jointsOf(parts.merges),
      splitter: parts.splitter,
      addPrefixSpace: parts.addPrefixSpace,
      wholePieces: parts.ignoreMerges === true ? vocabulary.ids : undefined,
    }),
    normalizer: parts.normalizer,
    roles: parts.settings.roles,
    cleanUp: parts.settings.cleanUp,
    modelMaxLength: parts.settings.modelMaxLength,
    frame: parts.frame && requireFrame(parts.frame, vocabulary.tokens, parts.file),
  })
}

/** Not with missing bytes: what is left out of a text brings others together. */
function jointsOf(merges: readonly TokenPair[]): Joints {
  const joints = new Joints()
  for (const [left, right] of merges) {
    const [leftBytes, rightBytes] = [bytesOfToken(left), bytesOfToken(right)]
    if (leftBytes !== undefined && rightBytes !== undefined) joints.add(leftBytes, rightBytes)
  }
  return joints
}

/** Bytes of every token: added tokens are text, others are written in the byte alphabet, or are text when they are not. */
function textsOf(vocabulary: Vocabulary, added: readonly AddedToken[]): (Uint8Array | undefined)[] {
  const utf8 = new TextEncoder()
  const isText = new Set(added.map(({ id }) => id))
  return vocabulary.tokens.map((token, id) => {
    if (token === undefined) return undefined
    return (isText.has(id) ? undefined : bytesOfToken(token)) ?? utf8.encode(token)
  })
}
