/** Where in the user's code an operator was called. */

/** Frames of the package itself are skipped: its sources in the repository, its files where it is installed. */
const OWN_FRAME = /[\\/](packages[\\/]tensor[\\/](src|dist)|@tarazed[\\/]tensor[\\/])/

/** V8's structured frames; other engines have only the text of a stack. */
interface Frame {
  getFileName(): string | null | undefined
  getLineNumber(): number | null
  getColumnNumber(): number | null
}

interface V8ErrorConstructor {
  prepareStackTrace?: unknown
  captureStackTrace?: (target: object) => void
  stackTraceLimit: number
}

const v8Error = Error as unknown as V8ErrorConstructor

/** Sites by raw position: formatting a stack through source maps is slow, and a site is asked for many times. */
const knownSites = new Map<string, string | undefined>()

/**
 * `file:line` of the nearest caller outside the package. Stacks are read at once: an unread one keeps its receivers alive.
 */
export function callSite(): string | undefined {
  const raw = rawPosition(NEAR_FRAMES) ?? rawPosition(FRAMES)
  if (raw === null) return formattedSite()
  if (!knownSites.has(raw)) knownSites.set(raw, formattedSite())
  return knownSites.get(raw)
}

/** The generated position of the caller, before source maps; null where the engine has no structured frames or it is further away. */
function rawPosition(limit: number): string | null {
  if (v8Error.captureStackTrace === undefined) return null
  const before = { prepare: v8Error.prepareStackTrace, limit: v8Error.stackTraceLimit }
  try {
    v8Error.stackTraceLimit = limit
    v8Error.prepareStackTrace = (_error: unknown, frames: readonly Frame[]) => frames
    const holder: { stack?: readonly Frame[] } = {}
    v8Error.captureStackTrace(holder)
    const frame = holder.stack?.find((candidate) => !isSkipped(candidate.getFileName() ?? ''))
    return frame === undefined ? null : `${frame.getFileName()}:${frame.getLineNumber()}:${frame.getColumnNumber()}`
  } finally {
    v8Error.prepareStackTrace = before.prepare
    v8Error.stackTraceLimit = before.limit
  }
}

/**
 * `file:line` of the nearest caller outside the package, also over an `await`: V8 follows the functions that wait for this one.
 */
export function asyncSite(): string | undefined {
  return formattedSite()
}

const FRAMES = 24
/** Mostly enough, and taking frames is what costs. */
const NEAR_FRAMES = 10
const skippedFiles = new Map<string, boolean>()

function isSkipped(file: string): boolean {
  let skipped = skippedFiles.get(file)
  if (skipped === undefined) {
    skipped = file === '' || file.startsWith('node:') || OWN_FRAME.test(file)
    skippedFiles.set(file, skipped)
  }
  return skipped
}

function formattedSite(): string | undefined {
  const limit = v8Error.stackTraceLimit
  v8Error.stackTraceLimit = FRAMES
  const { stack } = new Error()
  v8Error.stackTraceLimit = limit
  if (stack === undefined) return undefined
  for (const line of stack.split('\n').slice(1)) {
    if (OWN_FRAME.test(line) || line.includes('node:internal') || line.includes('(<anonymous>)')) continue
    const match = /([^\s()\\/]+):(\d+):\d+\)?$/.exec(line)
    if (match !== null) return `${match[1]}:${match[2]}`
  }
  return undefined
}
