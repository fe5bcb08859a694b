import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ConfigError, chineseChartWords, englishChartWords, reportHtml, runCharts } from '../src/index.js'
import type { Report, RunEvent } from '../src/index.js'
import { lineChartSvg } from '../src/report/lineChart.js'
import { scaleOf, shortNumber } from '../src/report/scale.js'

const step = (number: number, loss: number | null): RunEvent => ({
  kind: 'step',
  step: number,
  samples: 8 * number,
  time: 1000 * number,
  batch: 8,
  loss,
  gradNorm: loss,
  learningRate: 0.1,
  skipped: loss === null,
  lossScale: null,
  ms: 50,
})

const report = (sections: Report['sections']) => reportHtml({ lang: 'en', title: 'A run', sections })

describe('a report', () => {
  it('needs nothing from anywhere, whatever its texts are', () => {
    const hostile = '</style><script src=https://example.com>"\'&<img onerror=x>\u0000'
    const html = reportHtml({
      lang: hostile,
      title: hostile,
      subtitle: hostile,
      footer: hostile,
      sections: [
        { kind: 'figures', figures: [{ label: hostile, value: hostile, note: hostile }] },
        { kind: 'table', title: hostile, note: hostile, table: { columns: [hostile], rows: [[hostile]] } },
        { kind: 'excerpts', title: hostile, excerpts: [{ label: hostile, before: hostile, text: hostile }] },
        {
          kind: 'chart',
          title: hostile,
          chart: {
            series: [
              { name: hostile, points: [[0, 1]] },
              { name: 'b', points: [] },
            ],
            xLabel: hostile,
            yLabel: hostile,
          },
        },
      ],
    })
    expect(html).not.toMatch(/<(script|img|link|iframe|object)|@import|url\(/i)
    expect(html.match(/<style>/g)).toHaveLength(1)
    expect(html).not.toContain('\u0000')
  })

  it('has the words that it was given, in both themes', () => {
    const html = report([{ kind: 'figures', figures: [{ label: '验证', value: '1.234' }] }])
    expect(html).toContain('验证')
    expect(html).toContain('prefers-color-scheme:dark')
  })

  it('refuses what is no section', () => {
    expect(() => report([{ kind: 'picture' } as never])).toThrow(ConfigError)
    expect(() => reportHtml({ lang: 'en', titel: 'x' } as never)).toThrow(/unknown option "titel"/)
  })
})

describe('a chart', () => {
  it('draws finite numbers inside its frame, whatever the points are', () => {
    const number = fc.double({ noNaN: false })
    fc.assert(
      fc.property(fc.array(fc.tuple(number, number), { maxLength: 30 }), (points) => {
        const svg = lineChartSvg({ series: [{ name: 'a', points }], xLabel: 'x', yLabel: 'y' })
        const path = / d="([^"]*)"/.exec(svg)?.[1] ?? ''
        for (const coordinate of path.match(/-?[\d.]+/g) ?? []) {
          expect(Number(coordinate)).toBeGreaterThanOrEqual(0)
          expect(Number(coordinate)).toBeLessThanOrEqual(720)
        }
        expect(svg).not.toMatch(/NaN|Infinity/)
      }),
    )
  })

  it('of a million points is not larger than one of a thousand', () => {
    const svg = (count: number) => {
      const points = Array.from({ length: count }, (_, k) => [k, Math.sin(k)] as const)
      return lineChartSvg({ series: [{ name: 'a', points }], xLabel: 'x', yLabel: 'y' }).length
    }
    expect(svg(1_000_000)).toBeLessThan(1.5 * svg(1000))
  })

  it('has round numbers on its axes that cover all values', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
        const { least, most, ticks } = scaleOf(values)
        expect(least).toBeLessThanOrEqual(Math.min(...values) + 1e-6 * (most - least))
        expect(most).toBeGreaterThanOrEqual(Math.max(...values) - 1e-6 * (most - least))
        expect(ticks.length).toBeGreaterThan(1)
        expect(ticks.length).toBeLessThan(12)
      }),
    )
    expect(scaleOf([0.13, 0.94]).ticks.map((tick) => Number(tick.toFixed(6)))).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
  })

  it('writes numbers short', () => {
    expect([0, 12_500, 3e6, 2e9, 0.25, 0.00015].map(shortNumber)).toEqual(['0', '12.5k', '3M', '2G', '0.25', '1.5e-4'])
  })
})

describe('the curves of a run', () => {
  const validation: RunEvent = {
    kind: 'validation',
    step: 4,
    samples: 32,
    time: 0,
    domains: [
      { name: 'stories', loss: 1, perplexity: 2.7, bitsPerByte: 1.5 },
      { name: '诗', loss: 2, perplexity: 7.4, bitsPerByte: 2.5 },
    ],
  }

  it('show loss, held-out scores, learning rate, norm and speed, and the batch only when it grows', () => {
    const events = [step(1, 3), step(2, null), step(3, 2.5), validation]
    const titles = runCharts(events, englishChartWords).map((section) => ('title' in section ? section.title : ''))
    expect(titles).toEqual(['Training loss', 'Held-out text', 'Learning rate', 'Gradient norm', 'Samples per second'])
    const growing = [...events, { ...step(5, 2), batch: 16 } as RunEvent]
    expect(runCharts(growing, englishChartWords)).toHaveLength(6)
    expect(Object.keys(chineseChartWords).sort()).toEqual(Object.keys(englishChartWords).sort())
  })

  it('have one curve for each domain, in bits per byte, or in perplexity where bytes are not known', () => {
    const chart = (event: RunEvent) => {
      const section = runCharts([event], englishChartWords)[1]
      return section.kind === 'chart' ? section.chart : undefined
    }
    expect(chart(validation)?.series.map(({ name, points }) => [name, ...points[0]])).toEqual([
      ['stories', 4, 1.5],
      ['诗', 4, 2.5],
    ])
    const noBytes = { ...validation, domains: [{ name: 'a', loss: 1, perplexity: 2.7, bitsPerByte: null }] } as RunEvent
    expect(chart(noBytes)).toMatchObject({ yLabel: 'perplexity', series: [{ points: [[4, 2.7]] }] })
  })

  it('leave out what a crash made void', () => {
    const begin = (samples: number): RunEvent => ({ ...step(samples / 8, 1), kind: 'begin' }) as unknown as RunEvent
    const events = [begin(0), step(1, 9), step(2, 8), begin(8), step(2, 5)]
    const [loss] = runCharts(events, englishChartWords)
    expect(loss.kind === 'chart' && loss.chart.series[0].points).toEqual([
      [1, 9],
      [2, 5],
    ])
  })
})
