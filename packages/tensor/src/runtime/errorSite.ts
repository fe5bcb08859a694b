/** Errors of a run tell which call of the user asked for it. */
import { TarazedError } from '../errors.js'
import { asyncSite } from './callSite.js'

const located = new WeakSet<Error>()

/**
 * The same error with `; asked for at file:line` behind its message.
 *
 * Call it in an `async` function of the package after it caught the error: V8 then still knows who awaits that function, so
 * that runs which succeed pay nothing. Other engines do not tell, and the error stays as it is.
 */
export function withCallSite(error: unknown): unknown {
  if (!(error instanceof TarazedError) || located.has(error)) return error
  located.add(error)
  const site = asyncSite()
  if (site === undefined) return error
  const { message, stack } = error
  error.message = `${message}; asked for at ${site}`
  // The stack was written when the error was made, with the message of then.
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message)
  return error
}

/** Waits for work and gives its failure the call site of whoever waits for this. */
export async function atCallSite<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw withCallSite(error)
  }
}
