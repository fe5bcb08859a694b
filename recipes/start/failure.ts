/** Errors that the user can do something about: told in their language, without a stack trace. */
import { CheckpointError } from '@tarazed/checkpoint'
import { DivergedError, RunError } from '@tarazed/heurimentor'
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
  if (error instanceof DivergedError) return say.diverged(error.step)
  if (!(error instanceof Error)) return say.unexpected(String(error))
  const { code, path } = systemError(error)
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
      return error instanceof CheckpointError || error instanceof RunError
        ? error.message
        : say.unexpected(error.stack ?? error.message)
  }
}

/** The operating system's error behind an error of ours. */
function systemError(error: Error): { readonly code?: string; readonly path?: string } {
  const { code, path, cause } = error as NodeJS.ErrnoException
  return code === undefined && cause instanceof Error ? systemError(cause) : { code, path }
}
