/** Curves as SVG, with nothing but the text of the file: no script, no network. */
import { escapeHtml } from './escape.js'
import { type Scale, isDrawable, scaleOf, shortNumber } from './scale.js'

/** One curve. */
export interface Series {
  readonly name: string
  /** In the order of x. */
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Drawn thin and pale, behind the others, without a place in the legend. */
  readonly faint?: boolean
}

/** Curves over one axis. */
export interface LineChart {
  readonly series: readonly Series[]
  readonly xLabel: string
  readonly yLabel: string
  /** The y axis begins at 0. Default false. */
  readonly fromZero?: boolean
}

/** How many colours there are; more curves repeat them with dashes. */
export const COLOURS = 8

const WIDTH = 720
const HEIGHT = 300
const MARGIN = { left: 62, right: 18, top: 14, bottom: 52 }
/** More points than pixels show nothing more. */
const MOST_POINTS = 700

/** The chart as an SVG element. */
export function lineChartSvg(chart: LineChart): string {
  const series = chart.series.map((one) => ({ ...one, points: thinned(one.points) }))
  const visible = series.filter((one) => one.faint !== true)
  const scaled = visible.length > 0 ? visible : series
  const x = scaleOf(
    scaled.flatMap(({ points }) => points.map(([x]) => x)),
    { marks: 6 },
  )
  const y = scaleOf(
    scaled.flatMap(({ points }) => points.map(([, y]) => y)),
    { zero: chart.fromZero },
  )
  const frame = { x, y, left: xPlace(x), top: yPlace(y) }
  const label = escapeHtml(`${chart.yLabel}, ${chart.xLabel}`)
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">`,
    gridLines(frame),
    ...series.map((one, k) => curve(one, frame, colourNumber(chart.series, k))),
    `<text class="label" x="${WIDTH - MARGIN.right}" y="${HEIGHT - 6}" text-anchor="end">${escapeHtml(chart.xLabel)}</text>`,
    `<text class="label" x="${MARGIN.left}" y="${HEIGHT - 6}">${escapeHtml(chart.yLabel)}</text>`,
    '</svg>',
  ].join('')
}

/** The names of the curves with their colours, and their last values; nothing for a single curve. */
export function legendHtml(chart: LineChart): string {
  const named = chart.series.flatMap((one, k) => (one.faint === true ? [] : [{ one, k }]))
  if (named.length < 2) return ''
  const entries = named.map(({ one, k }) => {
    const last = one.points.at(-1)
    const value = last === undefined ? '' : ` <b>${shortNumber(last[1])}</b>`
    return `<span class="${colourClass(colourNumber(chart.series, k))}"><i></i>${escapeHtml(one.name)}${value}</span>`
  })
  return `<p class="legend">${entries.join('')}</p>`
}

/** Faint curves take the colour of the curve after them. */
function colourNumber(series: readonly Series[], index: number): number {
  return series.slice(0, index).filter((one) => one.faint !== true).length
}

function colourClass(number: number): string {
  return `c${number % COLOURS}${number >= COLOURS ? ' dashed' : ''}`
}

interface Frame {
  readonly x: Scale
  readonly y: Scale
  readonly left: (x: number) => number
  readonly top: (y: number) => number
}

function xPlace({ least, most }: Scale): (x: number) => number {
  return (x) => MARGIN.left + ((x - least) / (most - least)) * (WIDTH - MARGIN.left - MARGIN.right)
}

function yPlace({ least, most }: Scale): (y: number) => number {
  return (y) => HEIGHT - MARGIN.bottom - ((y - least) / (most - least)) * (HEIGHT - MARGIN.top - MARGIN.bottom)
}

function gridLines({ x, y, left, top }: Frame): string {
  const rows = y.ticks.map((tick) => {
    const at = pixel(top(tick))
    const text = `<text x="${MARGIN.left - 8}" y="${at}" dy="0.35em" text-anchor="end">${shortNumber(tick)}</text>`
    return `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at}" y2="${at}"/>${text}`
  })
  const columns = x.ticks.map((tick) => {
    const at = pixel(left(tick))
    return `<text x="${at}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${shortNumber(tick)}</text>`
  })
  return `<g class="grid">${rows.join('')}${columns.join('')}</g>`
}

function curve({ name, points, faint }: Series, { left, top, y }: Frame, number: number): string {
  if (points.length === 0) return ''
  const clamped = (value: number) => top(Math.min(y.most, Math.max(y.least, value)))
  const path = points
    .map(([x, value], k) => `${k === 0 ? 'M' : 'L'}${pixel(left(x))} ${pixel(clamped(value))}`)
    .join('')
  const classes = `${colourClass(number)}${faint === true ? ' faint' : ''}`
  const [lastX, lastY] = points[points.length - 1]
  const dot = faint === true ? '' : `<circle cx="${pixel(left(lastX))}" cy="${pixel(clamped(lastY))}" r="3"/>`
  return `<g class="${classes}"><title>${escapeHtml(name)}</title><path d="${path}"/>${dot}</g>`
}

function pixel(value: number): string {
  return String(Math.round(value * 10) / 10)
}

/** Means over equal parts when there are too many points; the last point stays as it is. */
function thinned(points: Series['points']): Series['points'] {
  const finite = points.filter(([x, y]) => isDrawable(x) && isDrawable(y))
  if (finite.length <= MOST_POINTS) return finite
  const parts = Array.from({ length: MOST_POINTS - 1 }, (_, k) => {
    const part = finite.slice(
      Math.floor((k * (finite.length - 1)) / (MOST_POINTS - 1)),
      Math.floor(((k + 1) * (finite.length - 1)) / (MOST_POINTS - 1)),
    )
    const mean = (axis: 0 | 1) => part.reduce((sum, point) => sum + point[axis], 0) / part.length
    return [mean(0), mean(1)] as const
  })
  return [...parts, finite[finite.length - 1]]
}
