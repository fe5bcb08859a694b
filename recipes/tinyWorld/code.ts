/** Code: small Python programs and what the values are. */
import { drawSum } from './arithmetic.js'
import { combination, isHeldOut } from './combinations.js'
import { type Part, type WorldDocument, question } from './document.js'
import { type Dice } from './random.js'
import { type Language, THINGS } from './words.js'

/** A program that holds a combination. */
interface Program {
  readonly kind: string
  readonly lines: readonly string[]
  /** The expression that is asked for, and its value. */
  readonly asked: string
  readonly value: string
  readonly name: string
}

/** A program with a question about a value, and in training sometimes a function with a comment instead. */
export function code(dice: Dice, language: Language, part: Part): WorldDocument {
  if (part === 'training' && dice.roll(8) === 0) return defined(dice, language)
  const { kind, lines, asked, value, name } = dice.pick([variables, variables, list, list, total])(dice, part)
  const ask = language === 'en' ? `What is ${asked}?` : `${asked} 的值是什么？`
  return {
    domain: 'code',
    language,
    text: lines.join('\n'),
    questions: [question(language, kind, ask, value)],
    combinations: [name],
  }
}

/** Two variables, one of which is asked for. */
function variables(dice: Dice, part: Part): Program {
  const [x, y] = dice.pickSome(['a', 'b', 'x', 'y'], 2)
  const [one, other] = dice.pickSome(THINGS, 2)
  const name = combination('variables', one.en, other.en)
  if (isHeldOut(name) !== (part === 'heldOut')) return variables(dice, part)
  const first = dice.roll(2) === 0
  const lines = [`${x} = "${one.en}"`, `${y} = "${other.en}"`]
  return { kind: 'variable', lines, asked: first ? x : y, value: `"${(first ? one : other).en}"`, name }
}

/** One item of a list of three. */
function list(dice: Dice, part: Part): Program {
  const items = dice.pickSome(THINGS, 3).map(({ en }) => en)
  const name = combination('list', ...items)
  if (isHeldOut(name) !== (part === 'heldOut')) return list(dice, part)
  const at = dice.roll(3)
  const lines = [`bag = [${items.map((item) => `"${item}"`).join(', ')}]`]
  return { kind: 'list', lines, asked: `bag[${at}]`, value: `"${items[at]}"`, name }
}

/** A sum. */
function total(dice: Dice, part: Part): Program {
  const { x, op, y, result, name } = drawSum(dice, part)
  return { kind: 'sum', lines: [`total = ${x} ${op} ${y}`], asked: 'total', value: String(result), name }
}

/** A function and a call of it, with a comment in the language. */
function defined(dice: Dice, language: Language): WorldDocument {
  const { x, op, y, result, name } = drawSum(dice, 'training')
  const [verb, says] =
    op === '+'
      ? (['add', { en: 'adds two numbers', zh: '两数相加' }] as const)
      : (['take', { en: 'takes one number from another', zh: '两数相减' }] as const)
  const lines = [
    `# ${says[language]}`,
    `def ${verb}(x, y):`,
    `    return x ${op} y`,
    `print(${verb}( ${x}, ${y} ))  # ${result}`,
  ]
  return { domain: 'code', language, text: lines.join('\n'), questions: [], combinations: [name] }
}
