/** Family `tokenizer`: ids, texts and streams, exactly, whatever files the tokenizer is loaded from. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadTokenizer, type Tokenizer } from '@tarazed/tokenizer'
import { type Area } from '../../areas.js'
import { type AreaFiles, MissingDataError } from '../../areaFiles.js'
import { type CaseContext, type GoldenCase } from '../../case.js'
import { IndexError, listOf } from '../../stored.js'
import { familyFolders, recordOf } from './familyFolders.js'

/** Where the published tokenizer's files are, from the area's folder. */
const PUBLISHED = '../../data/aquila-tokenizer'
const PUBLISHED_FOLDER = 'tokenizer-aquila'
const EXPECTED = ['expected.json', 'expected.decode.json']
/** Text of a file of the tokenizer, or undefined. */
type ReadText = (name: string) => string | undefined

/** A tokenizer from some of its files. */
interface Way {
  readonly name: string
  readonly tokenizer: () => Promise<Tokenizer>
}

/** A case for each string and each list of ids of every folder, and one for what the files say of themselves. */
export function cases(area: Area, files: AreaFiles): GoldenCase[] {
  return familyFolders(files, 'tokenizer').flatMap((folder) => {
    const readText = folder === PUBLISHED_FOLDER ? readPublished(area) : readFolder(files, folder)
    const ways = waysOf(readText)
    return [
      ...encodeCases(folder, files, ways),
      ...decodeCases(folder, files, ways),
      factsCase(folder, files, ways, readText),
    ]
  })
}

function readFolder(files: AreaFiles, folder: string): ReadText {
  const known = new Set(files.list())
  return (name) => (known.has(`${folder}/${name}`) ? files.text(`${folder}/${name}`) : undefined)
}

function readPublished(area: Area): ReadText {
  const folder = join(area.root, PUBLISHED)
  return (name) => {
    if (!existsSync(folder))
      throw new MissingDataError(`${folder} must hold the published tokenizer, there is no such folder`)
    const path = join(folder, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  }
}

/** All files; without tokenizer.json; with a tokenizer.json that is cut off; the merges alone. */
function waysOf(readText: ReadText): Way[] {
  const json = (): string | undefined => readText('tokenizer.json')
  const way = (name: string, change: Readonly<Record<string, () => string | undefined>>): Way => ({
    name,
    tokenizer: onlyOnce(() =>
      loadTokenizer(
        { readText: async (file) => (Object.hasOwn(change, file) ? change[file]() : readText(file)) },
        { onWarning: () => {} },
      ),
    ),
  })
  const without = () => undefined
  return [
    way('all files', {}),
    way('vocab.json and merges.txt', { 'tokenizer.json': without }),
    way('a truncated tokenizer.json', { 'tokenizer.json': () => (json() ?? '{"model": {"type":').slice(0, 20_000) }),
    way('merges.txt', { 'tokenizer.json': without, 'vocab.json': without, 'added_tokens.json': without }),
  ]
}

function onlyOnce<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null
  return () => (made ??= { value: make() }).value
}

const ENCODE_FIELDS = ['text', 'ids', 'ids_special_as_text', 'decoded_without_special']

function encodeCases(folder: string, files: AreaFiles, ways: readonly Way[]): GoldenCase[] {
  const file = `${folder}/expected.json`
  const read = (): Record<string, unknown>[] => listOf(recordOf(files.json(file), file), 'encode')
  return read().map((entry, k) => {
    requireKnown(entry, ENCODE_FIELDS)
    return caseOf(folder, `encode ${k}`, [file], () => inAllWays(ways, (tokenizer) => checkText(tokenizer, read()[k])))
  })
}

function checkText(tokenizer: Tokenizer, entry: Record<string, unknown>): string | null {
  const text = entry.text as string
  const ids = entry.ids as number[]
  const asText = entry.ids_special_as_text ?? ids
  const content = tokenizer.encodeSpans([{ text, template: false }])
  const template = tokenizer.encodeSpans([{ text, template: true }])
  return (
    same('ids', tokenizer.encode(text), ids) ??
    same('ids in an array', [...tokenizer.encodeToArray(text)], ids) ??
    same('ids with special tokens as text', tokenizer.encode(text, { allowSpecial: false }), asText) ??
    same('ids of a template span', template.ids, ids) ??
    same('ids of a content span', content.ids, asText) ??
    checkOffsets(text, template) ??
    checkOffsets(text, content) ??
    same('text', tokenizer.decode(ids, { cleanUp: false }), text) ??
    same('text of special tokens as text', tokenizer.decode(content.ids, { cleanUp: false }), text) ??
    same(
      'text without special tokens',
      tokenizer.decode(ids, { cleanUp: false, skipSpecial: true }),
      entry.decoded_without_special ?? text,
    )
  )
}

/** Tokens follow each other without gaps; those of one character may share it. */
function checkOffsets(
  text: string,
  { starts, ends }: { readonly starts: number[]; readonly ends: number[] },
): string | null {
  let covered = 0
  for (const [k, start] of starts.entries()) {
    if (start > covered || ends[k] <= start || ends[k] < covered)
      return `token ${k} has [${start}, ${ends[k]}) after ${covered}`
    covered = ends[k]
  }
  return same('covered units', covered, text.length)
}

const DECODE_FIELDS = ['ids', 'bytes_hex', 'text', 'stream_chunks', 'stream_flush']

function decodeCases(folder: string, files: AreaFiles, ways: readonly Way[]): GoldenCase[] {
  const file = `${folder}/expected.decode.json`
  const read = (): Record<string, unknown>[] =>
    listOf(requireKnown(recordOf(files.json(file), file), ['note', 'decode']), 'decode')
  return read().map((entry, k) => {
    requireKnown(entry, DECODE_FIELDS)
    return caseOf(folder, `decode ${k}`, [file], () => inAllWays(ways, (tokenizer) => checkIds(tokenizer, read()[k])))
  })
}

function checkIds(tokenizer: Tokenizer, entry: Record<string, unknown>): string | null {
  const ids = entry.ids as number[]
  const stream = tokenizer.stream()
  const chunks = ids.map((id) => stream.push(id))
  const bytes = Buffer.from(entry.bytes_hex as string, 'hex')
  return (
    same('text', tokenizer.decode(ids, { cleanUp: false }), entry.text) ??
    same('text of the bytes', new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), entry.text) ??
    same('chunks of the stream', chunks, entry.stream_chunks) ??
    same('end of the stream', stream.end(), entry.stream_flush)
  )
}

const FACTS =
  'library vocab_size merges special_ids endoftext bos eos pad sha256 merge_lines_starting_with_hash note encode'.split(
    ' ',
  )

function factsCase(folder: string, files: AreaFiles, ways: readonly Way[], readText: ReadText): GoldenCase {
  const own = files
    .list()
    .filter((file) => file.startsWith(`${folder}/`) && !EXPECTED.some((name) => file.endsWith(`/${name}`)))
  const file = `${folder}/expected.json`
  return caseOf(folder, 'files', [file, ...own], async () => {
    const facts = requireKnown(recordOf(files.json(file), file), FACTS)
    for (const name of own) files.bytes(name)
    return (
      checkHashes(facts, readText) ?? (await inAllWays(ways, (tokenizer) => checkFacts(tokenizer, facts, readText)))
    )
  })
}

function checkHashes(facts: Record<string, unknown>, readText: ReadText): string | null {
  for (const [name, want] of Object.entries(recordOf(facts.sha256 ?? {}, 'sha256'))) {
    const hash = createHash('sha256')
      .update(readText(name) ?? '')
      .digest('hex')
    if (hash !== want) return `${name}: sha256 is ${hash}, want ${String(want)}`
  }
  return null
}

function checkFacts(tokenizer: Tokenizer, facts: Record<string, unknown>, readText: ReadText): string | null {
  const special = recordOf(facts.special_ids, 'special_ids')
  const endOfText = tokenizer.idToToken(facts.endoftext as number) ?? ''
  const lines = (readText('merges.txt') ?? '').split('\n')
  const merged = (facts.merge_lines_starting_with_hash as number[]).map((line) => lines[line - 1].replace(' ', ''))
  const role = (name: string, fallback: string): string =>
    typeof facts[name] === 'string' ? facts[name].split(' ')[0] : fallback
  return (
    same('vocab_size', tokenizer.vocabSize, facts.vocab_size) ??
    same('merges', lines.filter((line, k) => k > 0 && line !== '').length, facts.merges) ??
    same('special tokens', Object.fromEntries(tokenizer.specialTokens), { [endOfText]: facts.endoftext, ...special }) ??
    same('bos', tokenizer.bos, role('bos', '[CLS]')) ??
    same('eos', tokenizer.eos, role('eos', '</s>')) ??
    same('pad', tokenizer.pad === undefined ? undefined : tokenizer.tokenToId(tokenizer.pad), facts.pad ?? 0) ??
    same(
      'merges with #',
      (facts.merge_lines_starting_with_hash as number[]).map((line) => tokenizer.idToToken(257 + line - 2)),
      merged,
    )
  )
}

function caseOf(folder: string, id: string, sources: readonly string[], run: () => Promise<string | null>): GoldenCase {
  return { id, op: folder, sources: sources.map((file) => ({ file })), run: (_context: CaseContext) => run() }
}

async function inAllWays(ways: readonly Way[], check: (tokenizer: Tokenizer) => string | null): Promise<string | null> {
  for (const { name, tokenizer } of ways) {
    const difference = check(await tokenizer())
    if (difference !== null) return `from ${name}: ${difference}`
  }
  return null
}

function requireKnown(record: Record<string, unknown>, known: readonly string[]): Record<string, unknown> {
  const unknown = Object.keys(record).filter((field) => !known.includes(field))
  if (unknown.length > 0) throw new IndexError(`the runner does not know the fields ${unknown.join(', ')}`)
  return record
}

function same(what: string, got: unknown, want: unknown): string | null {
  const [g, w] = [JSON.stringify(got), JSON.stringify(want)]
  return g === w ? null : `${what}: got ${g}, want ${w}`
}
