/** `explain(fn)`: the program that a function becomes, as text. */
import { explainProgram } from '../compiler/explain.js'
import { compile, type CompileOptions } from '../transforms/compile.js'

/**
 * Traces and plans `fn` for these arguments and prints its steps, slots and, with `details`, every expression. Nothing runs.
 * @throws as `compile`
 */
export async function explain<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  args: A,
  options: CompileOptions & { readonly details?: boolean } = {},
): Promise<string> {
  const program = await compile(fn, options).program(...args)
  return explainProgram(program, { details: options.details ?? false })
}
