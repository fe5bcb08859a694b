/** Questions about what is always so in the tiny world: whose things look how, who lives where, what is larger. */
import { combination, isHeldOut, unordered } from './combinations.js'
import { type Part, type Question, type WorldDocument, question } from './document.js'
import { BY_SIZE, colourOf, homeOf } from './facts.js'
import { type Dice } from './random.js'
import { type Language, PEOPLE, THINGS } from './words.js'

/** One question in the held-out part, two to three in training. */
export function worldKnowledge(dice: Dice, language: Language, part: Part): WorldDocument {
  const count = part === 'heldOut' ? 1 : 2 + dice.roll(2)
  const asked = Array.from({ length: count }, () => (dice.roll(3) === 0 ? larger : owned)(dice, language, part))
  return {
    domain: 'questions',
    language,
    text: '',
    questions: asked.map(({ question }) => question),
    combinations: asked.map(({ name }) => name),
  }
}

interface Asked {
  readonly question: Question
  readonly name: string
}

/** The colour of somebody's thing, or where it is kept. */
function owned(dice: Dice, language: Language, part: Part): Asked {
  const person = dice.pick(PEOPLE[language])
  const thing = dice.pick(THINGS)
  const name = combination('owner', person.name, thing.en)
  if (isHeldOut(name) !== (part === 'heldOut')) return owned(dice, language, part)
  const [colour, home] = [colourOf(language, person)[language], homeOf(language, person)[language]]
  if (dice.roll(2) === 0) {
    const ask =
      language === 'en' ? `What colour is ${person.name}'s ${thing.en}?` : `${person.name}的${thing.zh}是什么颜色的？`
    return { name, question: question(language, 'colour', ask, language === 'en' ? colour : `${colour}的`) }
  }
  const ask =
    language === 'en' ? `Where does ${person.name} keep the ${thing.en}?` : `${person.name}的${thing.zh}放在哪里？`
  return { name, question: question(language, 'home', ask, home) }
}

/** Which of two is larger. */
function larger(dice: Dice, language: Language, part: Part): Asked {
  const [a, b] = dice.pickSome([...BY_SIZE.keys()], 2)
  const name = unordered('size', a, b)
  if (isHeldOut(name) !== (part === 'heldOut')) return larger(dice, language, part)
  const [one, other, answer] = [BY_SIZE[a], BY_SIZE[b], BY_SIZE[Math.max(a, b)]].map((word) => word[language])
  const ask = language === 'en' ? `Which is larger, the ${one} or the ${other}?` : `${one}和${other}，哪个大？`
  return { name, question: question(language, 'larger', ask, answer) }
}
