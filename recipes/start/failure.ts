/** Errors that the user can do something about: told in their language, without a stack trace. */
import { AllocationError, BackendUnavailableError } from '@tarazed/tensor'
import type { Messages } from './messages.js'

/** Something the user can put right. `tell` picks the words in the user's language. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly tell: (say: Messages) => string

  constructor(tell: (say: Messages) => string, options: { readonly cause?: unknown } = {}) {
    super('see tell', options)
    this.tell = tell
  }
}

/** What to print for an error: plain words when its reason is outside the program, else the stack to report. */
export function describeFailure(error: unknown, say: Messages): string {
  if (error instanceof Failure) return error.tell(say)
  if (error instanceof AllocationError || error instanceof BackendUnavailableError) return error.message
  if (!(error instanceof Error)) return say.unexpected(String(error))
  const { code, path } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return say.diskFull(path)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return say.notAllowed(path)
    case 'ENOENT':
      return say.missing(path)
    case 'ENOTDIR':
    case 'EEXIST':
      return say.notAFolder(path)
    default:
      return say.unexpected(error.stack ?? error.message)
  }
}
