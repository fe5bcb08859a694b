/** What a page and the worker that holds its engine tell each other. Buffers and executables are numbers that the page gives. */
import type { BackendCapabilities, BackendCounters, Program } from '@tarazed/tensor'
import type { PlainError } from './plainError.js'

/** Wishes that need no answer; they travel ahead of the next request. */
export type Order =
  | { readonly kind: 'allocate'; readonly buffer: number; readonly bytes: number }
  | { readonly kind: 'free'; readonly buffer: number }
  | { readonly kind: 'unload'; readonly executable: number }

/** Wishes that are answered once they have been carried out. */
export type Request =
  | {
      readonly kind: 'open'
      readonly relaxed: boolean
      readonly limitBytes: number
      readonly routines: Uint8Array
    }
  | { readonly kind: 'write'; readonly buffer: number; readonly bytes: Uint8Array; readonly byteOffset: number }
  | { readonly kind: 'read'; readonly buffer: number; readonly byteOffset: number; readonly byteLength: number }
  | { readonly kind: 'load'; readonly executable: number; readonly program: Program }
  | {
      readonly kind: 'run' | 'profile'
      readonly executable: number
      readonly inputs: readonly number[]
      readonly outputs: readonly number[]
      readonly params: readonly number[]
    }
  | { readonly kind: 'sync' }
  | { readonly kind: 'close' }

/** One message to the worker; all messages are carried out in their order. */
export interface Command {
  readonly number: number
  readonly orders: readonly Order[]
  readonly request: Request
}

/** The engine's books at the end of a request. */
export interface EngineBooks {
  readonly counters: BackendCounters
  /** What of `liveBytes` is not in buffers of the page: tables, arena, scratch. */
  readonly ownBytes: number
}

/** One message from the worker: the end of the command with that number. */
export type Reply = { readonly number: number; readonly books?: EngineBooks } & (
  { readonly value: unknown } | { readonly error: PlainError }
)

/** The value that answers `open`. */
export interface Opened {
  readonly capabilities: BackendCapabilities
}

/** The page's side of a worker. */
export interface EnginePort {
  post(command: Command, transfer: ArrayBuffer[]): void
  /** Called once, before the first `post`. */
  listen(onReply: (reply: Reply) => void, onFailure: (reason: string) => void): void
  /** Keeps the process alive, or not, while the worker lives; browsers need none of it. */
  hold(held: boolean): void
  terminate(): Promise<void>
}
