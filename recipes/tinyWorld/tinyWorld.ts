/**
 * The tiny world: text without end for a first training run, in English and Chinese, and questions whose answers are known.
 *
 * Sixteen people in each language, sixteen things, eight animals, twelve places, eight colours, numbers up to twenty. Every document is a
 * pure function of seed, domain, language and number. One combination in six never occurs in training; all held-out questions
 * are about these (`combinations.ts`).
 */
import { arithmetic } from './arithmetic.js'
import { code } from './code.js'
import { DOMAINS, type Domain, type Part, type Question, type WorldDocument } from './document.js'
import { worldKnowledge } from './questions.js'
import { type Dice, dice } from './random.js'
import { story } from './stories.js'
import { translation } from './translation.js'
import { LANGUAGES, type Language } from './words.js'

const MAKERS: Readonly<Record<Domain, (dice: Dice, language: Language, part: Part) => WorldDocument>> = {
  stories: story,
  questions: worldKnowledge,
  arithmetic,
  translation,
  code,
}

/** Which document. */
export interface DocumentPlace {
  readonly seed: number
  readonly domain: Domain
  readonly language: Language
  readonly part: Part
}

/** Document `index` of a domain. */
export function worldDocument({ seed, domain, language, part }: DocumentPlace, index: number): WorldDocument {
  const counters = [seed, DOMAINS.indexOf(domain), LANGUAGES.indexOf(language), part === 'training' ? 0 : 1, index]
  return MAKERS[domain](dice(...counters), language, part)
}

/** A held-out question with the document that it is asked about. */
export interface HeldOutQuestion {
  readonly document: WorldDocument
  readonly question: Question
}

/** Different held-out questions, `perDomain` of each domain. */
export function heldOutQuestions(
  language: Language,
  { seed, perDomain }: { seed: number; perDomain: number },
): HeldOutQuestion[] {
  return DOMAINS.flatMap((domain) => {
    const found = new Map<string, HeldOutQuestion>()
    for (let index = 0; found.size < perDomain; index++) {
      const document = worldDocument({ seed, domain, language, part: 'heldOut' }, index)
      const [question] = document.questions
      const key = `${document.text}\n${question.ask}`
      if (!found.has(key)) found.set(key, { document, question })
      if (index > 100 * perDomain)
        throw new Error(`heldOutQuestions: ${domain} has no ${perDomain} different questions`)
    }
    return [...found.values()]
  })
}
