/** Live progress: a bar that is redrawn on a terminal, a plain line every few seconds elsewhere. */
import type { Messages, ProgressFigures } from './messages.js'

/** Where progress goes; `process.stderr` fits. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface Progress {
  /** Whether a new line would be shown now: figures cost a read from the engine. */
  due(): boolean
  show(figures: ProgressFigures): void
  /** A line that stays, above the bar. */
  note(text: string): void
  /** Leaves the last state of the bar on the screen. */
  end(): void
}

const LIVE_EVERY_MS = 200
const PLAIN_EVERY_MS = 5000
const BAR_CELLS = { least: 8, most: 24 }

export interface ProgressOptions {
  readonly screen: Screen
  readonly say: Messages
  readonly env: NodeJS.ProcessEnv
  readonly now: () => number
}

export function createProgress({ screen, say, env, now }: ProgressOptions): Progress {
  const live = screen.isTTY === true && env.TERM !== 'dumb'
  const colour = live && !env.NO_COLOR
  const every = live ? LIVE_EVERY_MS : PLAIN_EVERY_MS
  let shownAt = -Infinity
  let line = ''

  const draw = () => screen.write(`\r\x1b[2K${line}`)
  const erase = () => screen.write('\r\x1b[2K')

  return {
    due: () => now() - shownAt >= every,
    show: (figures) => {
      shownAt = now()
      const words = say.progress(figures)
      if (!live) {
        screen.write(`${words}\n`)
        return
      }
      const share = figures.total === null ? 0 : Math.min(1, figures.step / figures.total)
      const columns = (screen.columns ?? 80) - 2 // a full line would wrap
      const cells = Math.min(BAR_CELLS.most, Math.max(BAR_CELLS.least, columns - columnsOf(words)))
      line = `${bar(share, cells, colour)} ${cutToColumns(words, columns - cells)}`
      draw()
    },
    note: (text) => {
      if (live && line !== '') erase()
      screen.write(`${text}\n`)
      if (live && line !== '') draw()
    },
    end: () => {
      if (live && line !== '') screen.write('\n')
      line = ''
    },
  }
}

function bar(share: number, cells: number, colour: boolean): string {
  const full = Math.round(share * cells)
  const drawn = '█'.repeat(full) + '░'.repeat(cells - full)
  return colour ? `\x1b[36m${drawn}\x1b[0m` : drawn
}

function columnsOf(text: string): number {
  return [...text].reduce((columns, character) => columns + width(character), 0)
}

/** Chinese characters take two columns. */
function width(character: string): number {
  return character >= '\u2e80' ? 2 : 1
}

/** The beginning of a text that fits into `columns` of a terminal. */
export function cutToColumns(text: string, columns: number): string {
  let taken = 0
  let cut = ''
  for (const character of text) {
    taken += width(character)
    if (taken > columns) break
    cut += character
  }
  return cut
}

/** 83 seconds → 1:23 */
export function clockTime(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const tail = String(seconds % 60).padStart(2, '0')
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`
}

/** 1536 → 1.5 KB */
export function byteSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} KB`
  return `${(bytes / 1e6).toFixed(1)} MB`
}
