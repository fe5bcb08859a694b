/** Group `ops`: one operator, its values and its vector-Jacobian products. */
import { type Tensor } from '@tarazed/tensor'
import { type CaseContext } from '../../case.js'
import { CaseTensors, IndexError, tensorOf } from '../../stored.js'
import { checkResult, firstOf } from './check.js'
import { attributesOf, toleranceOf, type TensorEntry, type Tolerances } from './entry.js'
import { operatorOf } from './operators.js'
import { pullBack } from './pullBack.js'
import { throughView } from './views.js'

/** Results and gradients are asked for together: one program a case. */
export async function runOperator(
  entry: TensorEntry,
  tolerances: Tolerances,
  context: CaseContext,
): Promise<string | null> {
  const { machine } = context
  const stored = new CaseTensors(context.files, entry.file, entry.key)
  const operands = entry.inputs.map((input) => stored.host(input))
  const wanted = entry.outputs.map((output) => stored.host(output))
  const attrs = attributesOf(entry)
  const apply = (values: readonly Tensor[]): Tensor[] => {
    const viewed = values.map((value, k) => throughView(value, entry.inputs[k]))
    return [operatorOf(entry.op)(viewed, attrs)].flat()
  }
  const primals = operands.map(tensorOf)
  const { of, wrt } = entry.grad ?? { of: [], wrt: [] }
  const cotangents = of.map((output) => tensorOf(stored.hostByName(`gradOut${output}`)))
  const { outputs, gradients } =
    wrt.length === 0 ? { outputs: apply(primals), gradients: [] } : pullBack(apply, primals, wrt, of, cotangents)
  if (attrs.unread().length > 0)
    throw new IndexError(`the runner does not know the attributes ${attrs.unread().join(', ')}`)
  if (outputs.length !== wanted.length) return `got ${outputs.length} results, want ${wanted.length}`
  const got = await machine.read([...outputs, ...gradients])
  const values = wanted.map((want, k) =>
    checkResult(entry, machine, `out${k}`, got[k], want, toleranceOf(entry, 'out', want.dtype, tolerances), operands),
  )
  const slopes = wrt.map((input, k) => {
    const want = stored.hostByName(`gradIn${input}`)
    const tolerance = toleranceOf(entry, 'grad', want.dtype, tolerances)
    return checkResult(entry, machine, `gradIn${input}`, got[outputs.length + k], want, tolerance, operands)
  })
  return firstOf([...values, ...slopes])
}
