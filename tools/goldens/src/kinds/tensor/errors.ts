/** Calls that must throw before any kernel runs, with a message that a user can act on. */
import { zeros, type DType } from '@tarazed/tensor'
import { type CaseContext } from '../../case.js'
import { attributesOf, type ErrorEntry } from './entry.js'
import { operatorOf } from './operators.js'

export async function runError(entry: ErrorEntry, { machine }: CaseContext): Promise<string | null> {
  const operands = entry.inputs.map(({ shape, dtype }) => zeros(shape, { dtype: dtype as DType }))
  const before = machine.counts().steps
  const operator = operatorOf(entry.op)
  const thrown = await errorOf(async () => {
    const results = [operator(operands, attributesOf(entry))].flat()
    await machine.read(results)
  })
  if (thrown === null) return `must throw (${entry.why}), returned instead`
  if (machine.counts().steps !== before)
    return `must throw before a kernel runs (${entry.why}), ${machine.counts().steps - before} steps ran`
  return messageProblem(entry, thrown)
}

async function errorOf(action: () => Promise<void>): Promise<unknown> {
  try {
    await action()
    return null
  } catch (error) {
    return error
  }
}

/** The message names the operator, and all operand shapes, an attribute's value or the offending dtype. */
function messageProblem(entry: ErrorEntry, thrown: unknown): string | null {
  if (!(thrown instanceof Error)) return `must throw an Error, threw ${String(thrown)}`
  if (thrown instanceof TypeError || thrown instanceof RangeError || thrown.name === 'InternalError')
    return `must throw an error for users, threw ${thrown.name}: ${thrown.message}`
  const message = thrown.message.replace(/\s/g, '')
  if (!message.toLowerCase().includes(entry.op.toLowerCase()))
    return `the message must name ${entry.op}, got ${JSON.stringify(thrown.message)}`
  const shapes = entry.inputs.every(({ shape }) => message.includes(`[${shape.join(',')}]`))
  const attributes = Object.values(entry.attrs).some((value) => shows(thrown.message, value))
  const dtypes = entry.inputs.some(({ dtype }) => dtypeIsToBlame(entry.why) && message.includes(dtype))
  return shapes || attributes || dtypes
    ? null
    : `the message must show the shapes or the attribute at fault (${entry.why}), got ${JSON.stringify(thrown.message)}`
}

function dtypeIsToBlame(why: string): boolean {
  return /integer|bool|dtype/.test(why)
}

/** A number stands as a word of its own, lists and strings stand as they are but for spaces. */
function shows(message: string, value: unknown): boolean {
  if (typeof value === 'number') return message.split(/[^\w.+-]+/).includes(String(value))
  if (typeof value !== 'string' && !Array.isArray(value)) return false
  const spelt = typeof value === 'string' ? value : JSON.stringify(value)
  return message.replace(/\s/g, '').includes(spelt.replace(/\s/g, ''))
}
