/** Live progress: a bar that is redrawn on a terminal, a plain line every few seconds elsewhere. */
import { columnsOf, cutToColumns } from './columns.js'
import type { Context } from './command.js'

/** A bar of work whose amount is known, or of bytes that go by. */
export interface Bar {
  /** @param done of the total; @param note what is being done right now */
  show(done: number, note?: string): void
  /** A line that stays, above the bar. */
  say(text: string): void
  /** Removes the bar; nothing else of it stays. */
  end(): void
}

const LIVE_EVERY_MS = 100
const PLAIN_EVERY_MS = 5000
const CELLS = 24

/** How a bar is told: what it counts and how figures look. */
export interface BarOptions {
  readonly label: string
  readonly total: number
  /** Default: plain numbers. */
  readonly figure?: (amount: number) => string
}

/** Progress on stderr, with the share, the rate and the time left. */
export function createBar({ err, env, now, language }: Context, { label, total, figure = String }: BarOptions): Bar {
  const live = err.isTTY === true && env.TERM !== 'dumb'
  const colour = live && !env.NO_COLOR
  const every = live ? LIVE_EVERY_MS : PLAIN_EVERY_MS
  const began = now()
  let shownAt = live ? -Infinity : began
  let line = ''
  const erase = () => (line === '' ? undefined : err.write('\r\x1b[2K'))
  return {
    show: (done, note = '') => {
      if (now() - shownAt < every) return
      shownAt = now()
      const share = total > 0 ? Math.min(1, done / total) : 0
      const words = [
        label,
        `${Math.floor(share * 100)} %`,
        `${figure(done)}/${figure(total)}`,
        timeLeft(share, now() - began, language),
        note,
      ]
      const text = words.filter((word) => word !== '').join('  ')
      if (!live) return void err.write(`${text}\n`)
      const columns = (err.columns ?? 80) - 1
      const cells = Math.max(8, Math.min(CELLS, columns - columnsOf(text) - 1))
      line = `${drawn(share, cells, colour)} ${cutToColumns(text, columns - cells - 1)}`
      err.write(`\r\x1b[2K${line}`)
    },
    say: (text) => {
      erase()
      err.write(`${text}\n${live ? line : ''}`)
    },
    end: () => {
      erase()
      line = ''
    },
  }
}

function drawn(share: number, cells: number, colour: boolean): string {
  const full = Math.round(share * cells)
  const bar = '█'.repeat(full) + '░'.repeat(cells - full)
  return colour ? `\x1b[36m${bar}\x1b[0m` : bar
}

function timeLeft(share: number, elapsedMs: number, language: Context['language']): string {
  if (share <= 0 || elapsedMs < 1000) return ''
  const left = clockTime((elapsedMs / share) * (1 - share))
  return language === 'zh' ? `剩余 ${left}` : `${left} left`
}

/** 83,000 → 1:23 */
export function clockTime(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const tail = String(seconds % 60).padStart(2, '0')
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`
}

/** 1536 → 1.5 KiB */
export function byteSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let [amount, unit] = [bytes, 0]
  while (amount >= 1024 && unit < units.length - 1) [amount, unit] = [amount / 1024, unit + 1]
  return unit === 0 ? `${bytes} B` : `${amount.toFixed(amount < 10 ? 2 : 1)} ${units[unit]}`
}
