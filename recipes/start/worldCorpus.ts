/** What `npm start` learns without --corpus: the tiny world and the documents of this repository. */
import { DOMAINS, type Domain as WorldDomain, piecesOf, wholeText, type WorldDocument } from '../tinyWorld/document.js'
import { worldDocument } from '../tinyWorld/tinyWorld.js'
import { LANGUAGES, type Language } from '../tinyWorld/words.js'
import { type Corpus, type Domain, fingerprintOf, type LearnedText, plainText } from './corpus.js'
import { readTextFiles } from './textFiles.js'

/** Documents of each domain and language: 2.6 million tokens in all, about as many as a run of minutes sees. */
const DOCUMENTS: Readonly<Record<WorldDomain, number>> = {
  stories: 12_000,
  questions: 7000,
  arithmetic: 8000,
  translation: 5000,
  code: 9000,
}
/** The repository's documents are few, so they are read more than once. */
const READINGS = 2
const HELD_OUT_DOCUMENTS = 40

/** Paths from the root of the repository. */
const OWN_DOCUMENTS = /^(README\.md|CONTRIBUTING\.md|docs\/[^/]+\.md|recipes\/README\.md|packages\/[^/]+\/README\.md)$/

/** The corpus of a seed. @param root the repository */
export async function worldCorpus(root: string, seed: number, { scale = 1 } = {}): Promise<Corpus> {
  const own = await readTextFiles(root, (path) => OWN_DOCUMENTS.test(path))
  const world = DOMAINS.flatMap((domain) => LANGUAGES.map((language) => worldDomain(seed, domain, language, scale)))
  const domains = [...world, ...ownDocuments(own.files.map(({ text }) => text))]
  return {
    isWorld: true,
    domains,
    files: own.files.length,
    skipped: [],
    cut: false,
    sha256: fingerprintOf(domains),
  }
}

function worldDomain(seed: number, domain: WorldDomain, language: Language, scale: number): Domain {
  const count = Math.ceil(DOCUMENTS[domain] * scale)
  const make = (part: 'training' | 'heldOut', index: number) => worldDocument({ seed, domain, language, part }, index)
  return {
    name: `${domain} ${language}`,
    language,
    texts: Array.from({ length: count }, (_, index) => learned(make('training', index))),
    heldOut: Array.from({ length: HELD_OUT_DOCUMENTS }, (_, index) => wholeText(make('heldOut', index))),
  }
}

/** In a document with questions only the answers can be known; a text without any counts in full. */
function learned(document: WorldDocument): LearnedText {
  return document.questions.length === 0 ? plainText(wholeText(document)) : { pieces: piecesOf(document) }
}

/** Every tenth document is held out. */
function ownDocuments(texts: readonly string[]): Domain[] {
  const isHeldOut = (_: string, k: number) => k % 10 === 9
  const heldOut = texts.filter(isHeldOut)
  const learnedTexts = texts.filter((text, k) => !isHeldOut(text, k)).map(plainText)
  if (heldOut.length === 0) return []
  const readings = Array.from({ length: READINGS }, () => learnedTexts).flat()
  return [{ name: 'documents', language: 'en', texts: readings, heldOut }]
}
