/** `explain(fn)`: the program that a function becomes, as text. */
import { explainProgram } from '../compiler/explain.js'
import { checkOptions } from '../ops/options.js'
import { compile, type CompileOptions } from '../transforms/compile.js'
import { requireArguments, requireFunction } from '../transforms/traced.js'

/**
 * Traces and plans `fn` for these arguments and prints its steps, slots and, with `details`, every expression. Nothing runs.
 * @throws as `compile`
 */
export async function explain<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  args: A,
  options: CompileOptions & { readonly details?: boolean } = {},
): Promise<string> {
  requireFunction('explain', fn)
  requireArguments('explain', 'args', args)
  const { details = false, ...rest } = checkOptions('explain', options, ['details', 'donate', 'backend', 'fuse'])
  const program = await compile(fn, rest).program(...args)
  return explainProgram(program, { details })
}
