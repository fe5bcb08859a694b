/** What is learned: texts by domain, each with a part that is held out. */
import { createHash } from 'node:crypto'
import { type Language } from '../tinyWorld/words.js'
import { Failure } from './failure.js'
import { type TextFile, type TextFiles, readTextFiles } from './textFiles.js'

/** A text to learn from, in pieces. What is an answer counts fully in the loss; see `tokens.ts`. */
export interface LearnedText {
  readonly pieces: readonly { readonly text: string; readonly isAnswer: boolean }[]
}

/** One kind of text. */
export interface Domain {
  readonly name: string
  readonly language: Language
  readonly texts: readonly LearnedText[]
  /** Texts that are never learned: they tell how well the others were. */
  readonly heldOut: readonly string[]
}

/** Everything that a run learns from. */
export interface Corpus {
  /** Whether it is the tiny world, which has questions. */
  readonly isWorld: boolean
  readonly domains: readonly Domain[]
  readonly files: number
  readonly skipped: TextFiles['skipped']
  readonly cut: boolean
  readonly sha256: string
}

/** A plain text: all of it counts. */
export function plainText(text: string): LearnedText {
  return { pieces: [{ text, isAnswer: true }] }
}

/** All pieces of a text. */
export function wholeOf({ pieces }: LearnedText): string {
  return pieces.map(({ text }) => text).join('')
}

/** UTF-8 bytes of texts. */
export function bytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}

/** Bytes that are learned from. */
export function learnedBytes({ texts }: Domain): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(wholeOf(text)), 0)
}

/** Equal for equal texts: a run goes on only with the texts that it began with. */
export function fingerprintOf(domains: readonly Domain[]): string {
  const hash = createHash('sha256')
  for (const { name, texts, heldOut } of domains) {
    hash.update(JSON.stringify([name, texts.length, heldOut.length]))
    for (const { pieces } of texts) for (const { text } of pieces) hash.update(text).update('\0')
    for (const text of heldOut) hash.update(text).update('\0')
  }
  return hash.digest('hex')
}

/** Files of this size are domains of their own. */
const LARGE_FILE = 20_000
/** More domains than this make a report that nobody reads; the files are put together by language then. */
const MOST_DOMAINS = 8
/** The end of every domain is held out: this share of it. */
const HELD_OUT = 1 / 20
/** Bytes. */
const LEAST_TEXT = 2000

/**
 * The user's text: a file, or every text file of a folder. The last twentieth of every domain is held out: of a large file its
 * end, of many small ones the last in the order of their names.
 *
 * @throws Failure when the path is missing or holds too little text
 */
export async function fileCorpus(path: string): Promise<Corpus> {
  const found = await readTextFiles(path)
  if (found.files.length === 0) throw new Failure((say) => say.emptyCorpus(path, found.skipped.length))
  const bytes = bytesOf(found.files.map(({ text }) => text))
  if (bytes < LEAST_TEXT) throw new Failure((say) => say.smallCorpus(path, bytes, LEAST_TEXT))
  const domains = grouped(found.files).map(({ name, files }) => heldOutEnd(name, files))
  const { skipped, cut } = found
  return { isWorld: false, domains, files: found.files.length, skipped, cut, sha256: fingerprintOf(domains) }
}

interface Group {
  readonly name: string
  readonly files: readonly TextFile[]
}

/** A single file, and large files, by themselves, if they are few, the small ones together; else all files by language. */
function grouped(files: readonly TextFile[]): Group[] {
  if (files.length === 1) return [{ name: files[0].path, files }]
  const large = files.filter(({ text }) => Buffer.byteLength(text) >= LARGE_FILE)
  if (large.length > MOST_DOMAINS || large.length === 0) return byLanguage(files)
  const small = files.filter((file) => !large.includes(file))
  const alone = large.map((file) => ({ name: file.path, files: [file] }))
  return bytesOf(small.map(({ text }) => text)) < LEAST_TEXT
    ? addToLast(alone, small)
    : [...alone, ...byLanguage(small)]
}

/** Files too small to be scored by themselves are learned with another domain. */
function addToLast(groups: readonly Group[], files: readonly TextFile[]): Group[] {
  const [first, ...rest] = groups
  return [{ ...first, files: [...files, ...first.files] }, ...rest]
}

function byLanguage(files: readonly TextFile[]): Group[] {
  const named: Readonly<Record<Language, string>> = { en: 'English', zh: '中文' }
  return (['en', 'zh'] as const).flatMap((language) => {
    const own = files.filter(({ text }) => languageOf(text) === language)
    return own.length === 0 ? [] : [{ name: named[language], files: own }]
  })
}

/** Chinese where Chinese characters are more than a fifth of all letters. */
export function languageOf(text: string): Language {
  const han = text.match(/\p{Script=Han}/gu)?.length ?? 0
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  return han > letters / 5 ? 'zh' : 'en'
}

function heldOutEnd(name: string, files: readonly TextFile[]): Domain {
  const total = bytesOf(files.map(({ text }) => text))
  let wanted = Math.ceil(total * HELD_OUT)
  const learned: string[] = []
  const heldOut: string[] = []
  for (const { text } of [...files].reverse()) {
    const bytes = Buffer.byteLength(text)
    // a little more than wanted is fine: a small file is not cut
    const [kept, end] = wanted <= 0 ? [text, ''] : bytes <= 1.5 * wanted ? ['', text] : cutEnd(text, wanted)
    if (kept !== '') learned.unshift(kept)
    if (end !== '') heldOut.unshift(end)
    wanted = kept !== '' ? 0 : wanted - Buffer.byteLength(end)
  }
  const all = files.map(({ text }) => text).join('')
  return { name, language: languageOf(all), texts: learned.map(plainText), heldOut }
}

/** Cuts at a blank line, else at a line's end, else anywhere, so that about `bytes` are behind the cut. */
function cutEnd(text: string, bytes: number): [string, string] {
  const target = Math.max(1, text.length - Math.round((bytes * text.length) / Buffer.byteLength(text)))
  const slack = Math.floor((text.length - target) / 4)
  const cut = ['\n\n', '\n'].map((mark) => text.indexOf(mark, target) + mark.length)
  const near = cut.find((at) => at >= target && at < target + slack)
  const at = near ?? (isLowSurrogate(text, target) ? target + 1 : target)
  return [text.slice(0, at), text.slice(at)]
}

function isLowSurrogate(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff
}
