/** Translation: phrases and sentences of both languages side by side. */
import { combination, isHeldOut } from './combinations.js'
import { type Part, type WorldDocument, question } from './document.js'
import { type Dice } from './random.js'
import { ANIMALS, COLOURS, type Language, PLACES, QUALITIES, THINGS, type Word } from './words.js'

const NOUNS = [...THINGS, ...ANIMALS]
const ADJECTIVES = [...COLOURS, ...QUALITIES]

/** A quality with what has it: "the red ball", 红色的球. */
interface Phrase {
  readonly en: string
  readonly zh: string
  readonly name: string
}

function phrase(dice: Dice, part: Part): Phrase {
  const adjective = dice.pick(ADJECTIVES)
  const noun = dice.pick(NOUNS)
  const name = combination('phrase', adjective.en, noun.en)
  if (isHeldOut(name) !== (part === 'heldOut')) return phrase(dice, part)
  return { en: `the ${adjective.en} ${noun.en}`, zh: `${adjective.zh}的${noun.zh}`, name }
}

/** In training a sentence in both languages or a question; in the held-out part a question. The answer is in the other language. */
export function translation(dice: Dice, language: Language, part: Part): WorldDocument {
  const here = phrase(dice, part)
  if (part === 'training' && dice.roll(3) === 0) return pair(language, here, dice.pick(PLACES))
  const count = part === 'heldOut' ? 1 : 2
  const phrases = [here, ...Array.from({ length: count - 1 }, () => phrase(dice, part))]
  const questions = phrases.map(({ en, zh }) =>
    language === 'en'
      ? question(language, 'translate', `How do you say “${zh}” in English?`, en)
      : question(language, 'translate', `“${en}”用中文怎么说？`, zh),
  )
  return { domain: 'translation', language, text: '', questions, combinations: phrases.map(({ name }) => name) }
}

function pair(language: Language, { en, zh, name }: Phrase, place: Word): WorldDocument {
  const english = `English: ${en} is in the ${place.en}.`
  const chinese = `中文：${zh}在${place.zh}里。`
  const text = (language === 'en' ? [chinese, english] : [english, chinese]).join('\n')
  return { domain: 'translation', language, text, questions: [], combinations: [name] }
}
