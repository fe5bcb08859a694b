/** The curves of a run, from its log. */
import { type RunEvent, type StepEvent, type ValidationEvent, joinedEvents } from '../log/events.js'
import { type ReportSection } from './reportHtml.js'
import { type Series } from './lineChart.js'

/** The words of the charts. */
export interface ChartWords {
  readonly step: string
  readonly loss: string
  readonly lossTitle: string
  readonly smoothed: string
  readonly validationTitle: string
  readonly bitsPerByte: string
  readonly perplexity: string
  readonly learningRate: string
  readonly gradNorm: string
  readonly batch: string
  readonly samplesPerSecond: string
}

/** The words in English. */
export const englishChartWords: ChartWords = {
  step: 'update',
  loss: 'loss (nats per token)',
  lossTitle: 'Training loss',
  smoothed: 'training loss',
  validationTitle: 'Held-out text',
  bitsPerByte: 'bits per byte',
  perplexity: 'perplexity',
  learningRate: 'Learning rate',
  gradNorm: 'Gradient norm',
  batch: 'Samples in an update',
  samplesPerSecond: 'Samples per second',
}

/** The words in Chinese. */
export const chineseChartWords: ChartWords = {
  step: '更新步数',
  loss: '损失（纳特/词元）',
  lossTitle: '训练损失',
  smoothed: '训练损失',
  validationTitle: '验证文本',
  bitsPerByte: '比特/字节',
  perplexity: '困惑度',
  learningRate: '学习率',
  gradNorm: '梯度范数',
  batch: '每步样本数',
  samplesPerSecond: '每秒样本数',
}

/**
 * Charts of loss, held-out scores by domain, learning rate, gradient norm, speed, and the batch where it grows. Parts of a run that a crash
 * made void are left out.
 */
export function runCharts(events: readonly RunEvent[], words: ChartWords): ReportSection[] {
  const joined = joinedEvents(events)
  const steps = joined.filter((event): event is StepEvent => event.kind === 'step')
  const validations = joined.filter((event): event is ValidationEvent => event.kind === 'validation')
  const curve = (title: string, name: string, points: Series['points'], fromZero = true): ReportSection => ({
    kind: 'chart',
    title,
    chart: { series: [{ name, points }], xLabel: words.step, yLabel: name, fromZero },
  })
  const losses = points(steps, ({ loss }) => loss)
  const batches = points(steps, ({ batch }) => batch)
  return [
    {
      kind: 'chart',
      title: words.lossTitle,
      chart: {
        series: [
          { name: words.loss, points: losses, faint: true },
          { name: words.smoothed, points: smoothed(losses) },
        ],
        xLabel: words.step,
        yLabel: words.loss,
      },
    },
    ...validationChart(validations, words),
    curve(
      words.learningRate,
      words.learningRate,
      points(steps, ({ learningRate }) => learningRate),
    ),
    curve(words.gradNorm, words.gradNorm, smoothed(points(steps, ({ gradNorm }) => gradNorm))),
    curve(
      words.samplesPerSecond,
      words.samplesPerSecond,
      smoothed(points(steps, ({ batch, ms }) => (batch * 1000) / ms)),
    ),
    ...(batches.some(([, batch]) => batch !== batches[0][1]) ? [curve(words.batch, words.batch, batches)] : []),
  ]
}

function points(steps: readonly StepEvent[], value: (event: StepEvent) => number | null): [number, number][] {
  return steps.flatMap((event) => {
    const y = value(event)
    return y === null || !Number.isFinite(y) ? [] : [[event.step, y] as [number, number]]
  })
}

function validationChart(events: readonly ValidationEvent[], words: ChartWords): ReportSection[] {
  if (events.length === 0) return []
  const names = [...new Set(events.flatMap(({ domains }) => domains.map(({ name }) => name)))]
  const inBits = events.every(({ domains }) => domains.every(({ bitsPerByte }) => bitsPerByte !== null))
  const series = names.map((name): Series => ({
    name,
    points: events.flatMap(({ step, domains }) => {
      const score = domains.find((domain) => domain.name === name)
      const y = inBits ? score?.bitsPerByte : score?.perplexity
      return y === undefined || y === null ? [] : [[step, y] as const]
    }),
  }))
  const yLabel = inBits ? words.bitsPerByte : words.perplexity
  return [{ kind: 'chart', title: words.validationTitle, chart: { series, xLabel: words.step, yLabel } }]
}

/** Means that forget with a fiftieth of the curve's length, without a bias towards the first value. */
function smoothed(curve: readonly (readonly [number, number])[]): [number, number][] {
  const forget = 1 / Math.max(1, curve.length / 50)
  let [sum, weight] = [0, 0]
  return curve.map(([x, y]) => {
    sum = sum * (1 - forget) + y * forget
    weight = weight * (1 - forget) + forget
    return [x, sum / weight]
  })
}
