/** Where in the user's code an operator was called. */

/** Frames of the package itself are skipped: its sources in the repository, its files where it is installed. */
const OWN_FRAME = /[\\/](packages[\\/]tensor[\\/](src|dist)|@tarazed[\\/]tensor[\\/])/

/** `file:line` of the nearest caller outside the package. The stack is read at once: an unread one keeps its receivers alive. */
export function callSite(): string | undefined {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 24
  const { stack } = new Error()
  Error.stackTraceLimit = limit
  if (stack === undefined) return undefined
  for (const line of stack.split('\n').slice(1)) {
    if (OWN_FRAME.test(line) || line.includes('node:internal')) continue
    const match = /([^\s()\\/]+):(\d+):\d+\)?$/.exec(line)
    if (match !== null) return `${match[1]}:${match[2]}`
  }
  return undefined
}
