/** Arithmetic with numbers up to 20: sums, differences, which is more, and counting in a sentence. */
import { isHeldOut, unordered, combination } from './combinations.js'
import { type Part, type Question, type WorldDocument, question } from './document.js'
import { type Dice } from './random.js'
import { FOODS, type Language, PEOPLE } from './words.js'

/** x op y = result, and the name of its combination. */
interface Sum {
  readonly x: number
  readonly op: '+' | '-'
  readonly y: number
  readonly result: number
  readonly name: string
}

/** A sum or a difference of numbers from 0 to 10, as x + y or (x + y) - y. */
export function drawSum(dice: Dice, part: Part, least = 0): Sum {
  const [a, b] = [least + dice.roll(11 - least), least + dice.roll(11 - least)]
  const plus = dice.roll(2) === 0
  const name = plus ? unordered('sum', a, b) : combination('difference', a + b, b)
  if (isHeldOut(name) !== (part === 'heldOut')) return drawSum(dice, part, least)
  return plus ? { x: a, op: '+', y: b, result: a + b, name } : { x: a + b, op: '-', y: b, result: a, name }
}

/** One question in the held-out part; in training a few of one kind, or a row of numbers. */
export function arithmetic(dice: Dice, language: Language, part: Part): WorldDocument {
  if (part === 'training' && dice.roll(8) === 0) return countingRow(dice, language)
  if (dice.roll(3) === 0) return counted(dice, language, part)
  const count = part === 'heldOut' ? 1 : 2 + dice.roll(2)
  const ask = dice.roll(3) === 0 ? askMore : askSum
  const asked = Array.from({ length: count }, () => ask(dice, language, part))
  return {
    domain: 'arithmetic',
    language,
    text: '',
    questions: asked.map(({ question }) => question),
    combinations: asked.map(({ name }) => name),
  }
}

function askSum(dice: Dice, language: Language, part: Part): { question: Question; name: string } {
  const { x, op, y, result, name } = drawSum(dice, part)
  const ask = language === 'en' ? `What is ${x} ${op} ${y}?` : `计算 ${x} ${op} ${y} = ？`
  return { name, question: question(language, 'sum', ask, result) }
}

function askMore(dice: Dice, language: Language, part: Part): { question: Question; name: string } {
  const [a, b] = dice.pickSome(NUMBERS, 2)
  const name = unordered('number', a, b)
  if (isHeldOut(name) !== (part === 'heldOut')) return askMore(dice, language, part)
  const ask = language === 'en' ? `Which is more, ${a} or ${b}?` : `哪个多， ${a} 还是 ${b}？`
  return { name, question: question(language, 'more', ask, Math.max(a, b)) }
}

const NUMBERS = Array.from({ length: 21 }, (_, k) => k)

/** Somebody has some food, and then more or less of it. */
function counted(dice: Dice, language: Language, part: Part): WorldDocument {
  const { x, op, y, result, name } = drawSum(dice, part, 1)
  const person = dice.pick(PEOPLE[language])
  const food = dice.pick(FOODS)
  const change = op === '+' ? { en: 'buys', zh: '买了' } : { en: 'eats', zh: '吃了' }
  const text =
    language === 'en'
      ? `${person.name} has ${x} ${food.en} and ${change.en} ${y}.`
      : `${person.name}有 ${x} 个${food.zh}，又${change.zh} ${y} 个。`
  const ask = language === 'en' ? `How many ${food.en} are there now?` : `现在有几个${food.zh}？`
  const questions = [question(language, 'count', ask, result)]
  return { domain: 'arithmetic', language, text, questions, combinations: [name] }
}

/** Numbers in order, up or down: what comes after what. */
function countingRow(dice: Dice, language: Language): WorldDocument {
  const length = 5 + dice.roll(4)
  const first = dice.roll(21 - length)
  const row = Array.from({ length }, (_, k) => first + k)
  const numbers = (dice.roll(3) === 0 ? row.reverse() : row).join(' ')
  const text = language === 'en' ? `Count: ${numbers}` : `数数： ${numbers}`
  return { domain: 'arithmetic', language, text, questions: [], combinations: [] }
}
