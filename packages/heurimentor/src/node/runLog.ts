/** The run log on disk: `events.jsonl`, appended to and never rewritten. */
import { open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { RunError } from '../errors.js'
import { type EventLog, type RunEvent, eventLine, parseEvents } from '../log/events.js'
import { makeFolder } from '@tarazed/checkpoint/node'

/** A log that is open for appending. */
export interface RunLog extends EventLog {
  /** The events that were there when it was opened. */
  readonly earlier: readonly RunEvent[]
  /** Flushes and closes it. */
  close(): Promise<void>
}

/**
 * Opens a log, and makes it when it is missing. A last line that a crash has torn is cut off. Appending gathers events and writes them in
 * order; a crash loses the last few at most, a torn one is dropped the next time.
 *
 * @throws RunError when the file cannot be written, or holds something else than events
 */
export async function openRunLog(path: string): Promise<RunLog> {
  const { events, bytes } = await readEvents(path)
  const file = await naming(path, async () => {
    await makeFolder(dirname(path))
    const file = await open(path, 'a')
    await file.truncate(bytes)
    return file
  })
  let waiting = ''
  let failure: unknown
  let writing: Promise<void> = Promise.resolve()
  const write = async () => {
    const lines = waiting
    waiting = ''
    if (lines !== '') await file.appendFile(lines)
  }
  const check = () => {
    if (failure !== undefined) throw unwritable(path, failure)
  }
  const flush = async () => {
    await writing
    check()
    await naming(path, () => file.sync())
  }
  return {
    earlier: events,
    append: (event) => {
      check()
      const idle = waiting === ''
      waiting += eventLine(event)
      if (idle) writing = writing.then(write).catch((error: unknown) => void (failure = error))
    },
    flush,
    close: async () => {
      await flush()
      await file.close()
    },
  }
}

/**
 * The events of a log on disk, without a torn last line; none when there is no such file.
 * @throws RunError when it holds something else
 */
export async function readRunLog(path: string): Promise<RunEvent[]> {
  return (await readEvents(path)).events
}

async function readEvents(path: string): Promise<{ events: RunEvent[]; bytes: number }> {
  const content = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return Buffer.alloc(0)
    throw unwritable(path, cause)
  })
  // A torn line may end inside a character; complete lines never do.
  const complete = content.subarray(0, content.lastIndexOf(0x0a) + 1).toString('utf8')
  try {
    const { events, length } = parseEvents(complete)
    return { events, bytes: Buffer.byteLength(complete.slice(0, length)) }
  } catch (cause) {
    throw new RunError({
      file: path,
      rule: 'every line must be an event of a run',
      got: (cause as Error).message,
      wayOut: 'move the file away to begin a new log',
      cause,
    })
  }
}

async function naming<T>(path: string, run: () => Promise<T>): Promise<T> {
  return run().catch((cause: unknown) => {
    throw unwritable(path, cause)
  })
}

function unwritable(path: string, cause: unknown): RunError {
  const { message } = cause as Error
  return new RunError({ file: path, rule: 'the log must be a file that can be written', got: message, cause })
}
