/** What a Jinja template may call: the names of transformers, with bounds. */
import { Environment } from '@huggingface/jinja'

/** Longest list that a template may count up. */
const LONGEST_RANGE = 100_000

/** An environment with the constants and functions that chat templates expect. */
export function templateEnvironment(now: Date): Environment {
  const environment = new Environment()
  const globals = {
    ...{ true: true, True: true, false: false, False: false, none: null, None: null },
    raise_exception: (message: unknown) => {
      throw new Error(String(message))
    },
    range,
    strftime_now: (format: unknown) => strftime(String(format), now),
  }
  for (const [name, value] of Object.entries(globals)) environment.set(name, value)
  return environment
}

/** Python's range. The library's own has no bound: `range(10 ** 10)` would end the process. */
function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop]
  const count = Math.max(0, Math.ceil((to - from) / step))
  if (!(count <= LONGEST_RANGE))
    throw new Error(`range takes at most ${LONGEST_RANGE} numbers, got ${from} to ${to} by ${step}`)
  return Array.from({ length: count }, (_, k) => from + k * step)
}

/** Python's strftime in English, for the directives that templates use; others stay as they are. */
function strftime(format: string, now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const word = (options: Intl.DateTimeFormatOptions): string => now.toLocaleDateString('en-US', options)
  const directives: Readonly<Record<string, () => string>> = {
    Y: () => String(now.getFullYear()),
    y: () => two(now.getFullYear() % 100),
    m: () => two(now.getMonth() + 1),
    d: () => two(now.getDate()),
    B: () => word({ month: 'long' }),
    b: () => word({ month: 'short' }),
    A: () => word({ weekday: 'long' }),
    a: () => word({ weekday: 'short' }),
    H: () => two(now.getHours()),
    I: () => two(now.getHours() % 12 || 12),
    M: () => two(now.getMinutes()),
    S: () => two(now.getSeconds()),
    p: () => (now.getHours() < 12 ? 'AM' : 'PM'),
    '%': () => '%',
  }
  return format.replace(/%(.)/g, (whole, name: string) =>
    Object.hasOwn(directives, name) ? directives[name]() : whole,
  )
}
