/** Group `transforms`: a closed list of programs, each written out as a user would. */
import { type CaseContext } from '../../case.js'
import { type HostTensor } from '../../hostTensor.js'
import { CaseTensors, IndexError, tensorOf } from '../../stored.js'
import { type Attributes } from '../../attributes.js'
import { checkResult, firstOf } from './check.js'
import { runCheckpoint } from './checkpoint.js'
import { attributesOf, toleranceOf, type TensorEntry, type Tolerances } from './entry.js'
import { PROGRAMS, type Inputs, type Results } from './programs.js'

/** Results by the names that the index gives them. */
export async function runTransform(
  entry: TensorEntry,
  tolerances: Tolerances,
  context: CaseContext,
): Promise<string | null> {
  const stored = new CaseTensors(context.files, entry.file, entry.key)
  const attrs = attributesOf(entry)
  const program = attrs.text('program')
  const inputs: Inputs = Object.fromEntries(entry.inputs.map((input) => [input.name, tensorOf(stored.host(input))]))
  const wanted = entry.outputs.map((output): [string, HostTensor] => [output.name, stored.host(output)])
  const { results, finding } = await compute(entry.op, program, inputs, attrs, context)
  if (finding !== null) return finding
  if (attrs.unread().length > 0)
    throw new IndexError(`the runner does not know the attributes ${attrs.unread().join(', ')}`)
  const missing = wanted.find(([name]) => results[name] === undefined)
  if (missing !== undefined) return `the program gives no ${missing[0]}`
  const got = await context.machine.read(wanted.map(([name]) => results[name]))
  return firstOf(
    wanted.map(([name, want], k) =>
      checkResult(entry, context.machine, name, got[k], want, toleranceOf(entry, 'out', want.dtype, tolerances)),
    ),
  )
}

async function compute(
  op: string,
  program: string,
  inputs: Inputs,
  attrs: Attributes,
  context: CaseContext,
): Promise<{ results: Results; finding: string | null }> {
  if (op === 'checkpoint') return runCheckpoint(program, inputs, context.machine)
  const run = PROGRAMS[op]?.[program]
  if (run === undefined) throw new IndexError(`no runner for the ${op} program ${program}`)
  return { results: run(inputs, attrs), finding: null }
}
