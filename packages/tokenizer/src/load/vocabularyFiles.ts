/** A byte-level tokenizer from `vocab.json` and `merges.txt`, or from `merges.txt` alone. */
import { specialToken, type AddedToken } from '../addedTokens.js'
import { shown, TokenizerError } from '../errors.js'
import { type Tokenizer } from '../tokenizer.js'
import { AQUILA_SPECIAL_TOKENS, lacksAquilaSpecials, vocabularyOfMerges } from './aquila.js'
import { byteLevelTokenizer } from './byteLevel.js'
import { parseObject } from './json.js'
import { parseMergesText, type TokenPair } from './merges.js'
import { type Settings } from './settings.js'

/** Texts of the files that a folder has. */
export interface VocabularyFiles {
  readonly vocab?: string
  readonly merges: string
  /** `added_tokens.json` */
  readonly added?: string
  /** `special_tokens.txt`: one per line, in the order of their ids. */
  readonly special?: string
}

/** @throws TokenizerError when a file is broken or two contradict each other */
export function tokenizerFromVocabulary(
  files: VocabularyFiles,
  settings: Settings,
  onWarning: (message: string) => void,
): Tokenizer {
  const listed = files.vocab === undefined ? undefined : entriesOf(files.vocab)
  const merges = parseMergesText(files.merges, 'merges.txt', (token) => listed?.has(token) ?? false)
  const vocab = listed ?? entriesOfMerges(merges, onWarning)
  const added = addedTokens(files, vocab, merges.length, settings, onWarning)
  warnOfMissingBytes(vocab, onWarning)
  return byteLevelTokenizer({
    file: files.vocab === undefined ? 'merges.txt' : 'vocab.json with merges.txt',
    vocab,
    merges,
    added,
    settings: { ...settings, roles: rolesOf(settings, vocab, added, onWarning) },
    unknown: settings.roles.unk,
    addPrefixSpace: settings.addPrefixSpace,
  })
}

function entriesOf(text: string): Map<string, unknown> {
  return new Map(Object.entries(parseObject(text, 'vocab.json')))
}

function entriesOfMerges(merges: readonly TokenPair[], onWarning: (message: string) => void): Map<string, unknown> {
  onWarning(
    'merges.txt: there is no vocab.json beside it; the ids are those of Aquila: 0 end of text, 1 to 256 the bytes, 257 + rank the merges',
  )
  return new Map(vocabularyOfMerges(merges).map((token, id) => [token, id]))
}

/** What the several files say of tokens beside the vocabulary, the most exact file first. */
function addedTokens(
  files: VocabularyFiles,
  vocab: ReadonlyMap<string, unknown>,
  merges: number,
  settings: Settings,
  onWarning: (message: string) => void,
): AddedToken[] {
  const found = new Map<string, AddedToken>()
  const add = (token: AddedToken): void => void (found.has(token.content) || found.set(token.content, token))
  settings.added.forEach(add)
  for (const [content, id] of Object.entries(
    files.added === undefined ? {} : parseObject(files.added, 'added_tokens.json'),
  ))
    add(specialToken(content, integerId(content, id)))
  const lines = files.special?.split(/\r?\n/).filter((line) => line !== '') ?? []
  for (const content of lines) add(specialToken(content, idIn(vocab, content) ?? nextId(vocab, found)))
  if (found.size === 0 && lacksAquilaSpecials(firstToken(vocab), vocab.size, merges)) {
    onWarning(
      'vocab.json: these are the 100,000 tokens of Aquila without the special ones; added the eight special tokens from id 100000 on',
    )
    for (const content of AQUILA_SPECIAL_TOKENS) add(specialToken(content, nextId(vocab, found)))
  }
  for (const content of settings.special) {
    const id = idIn(vocab, content)
    if (id !== undefined) add(specialToken(content, id))
  }
  return [...found.values()]
}

function integerId(content: string, id: unknown): number {
  if (Number.isInteger(id)) return id as number
  throw new TokenizerError(`added_tokens.json: the id of ${shown(content)} must be an integer, got ${shown(id)}`, {
    file: 'added_tokens.json',
  })
}

function firstToken(vocab: ReadonlyMap<string, unknown>): string | undefined {
  for (const [token, id] of vocab) if (id === 0) return token
  return undefined
}

function idIn(vocab: ReadonlyMap<string, unknown>, content: string): number | undefined {
  const id = vocab.get(content)
  return typeof id === 'number' ? id : undefined
}

function nextId(vocab: ReadonlyMap<string, unknown>, added: ReadonlyMap<string, AddedToken>): number {
  let next = 0
  for (const id of vocab.values()) if (typeof id === 'number' && id >= next) next = id + 1
  for (const { id } of added.values()) next = Math.max(next, id + 1)
  return next
}

/** Roles whose token exists. One that does not has no id, and inventing one would point past the model's rows. */
function rolesOf(
  { roles }: Settings,
  vocab: ReadonlyMap<string, unknown>,
  added: readonly AddedToken[],
  onWarning: (message: string) => void,
): Settings['roles'] {
  const known = Object.entries(roles).filter(([role, token]) => {
    if (token === undefined) return false
    if (vocab.has(token) || added.some(({ content }) => content === token)) return true
    onWarning(
      `special_tokens_map.json: ${role} is ${shown(token)}, which is no token of this vocabulary; the role stays empty`,
    )
    return false
  })
  return Object.fromEntries(known)
}

function warnOfMissingBytes(vocab: ReadonlyMap<string, unknown>, onWarning: (message: string) => void): void {
  const missing = vocabularyOfMerges([])
    .slice(1)
    .filter((character) => !vocab.has(character))
  if (missing.length > 0)
    onWarning(
      `vocab.json: ${missing.length} of the 256 bytes have no token; text that needs them becomes the unknown token, or loses them`,
    )
}
