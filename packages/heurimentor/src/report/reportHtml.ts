/** A report of a run: one HTML file that needs nothing else, in light and dark. */
import { ConfigError, checkOptions, shown } from '../errors.js'
import { escapeHtml } from './escape.js'
import { type LineChart, legendHtml, lineChartSvg } from './lineChart.js'
import { REPORT_STYLE } from './style.js'

/** A figure that is seen first. */
export interface Figure {
  readonly label: string
  readonly value: string
  /** Small print below it. */
  readonly note?: string
}

/** A table; cells of columns named in `numeric` are set to the right. */
export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** Indices of columns of numbers. */
  readonly numeric?: readonly number[]
  /** Indices of rows that stand out. */
  readonly strong?: readonly number[]
}

/** A piece of text that is shown as it is, such as a sample. */
export interface Excerpt {
  readonly label: string
  /** Shown before the text, paler: the prompt. */
  readonly before?: string
  readonly text: string
  /** Shown behind the text: what would have been right, say. */
  readonly mark?: 'right' | 'wrong'
}

/** One part of a report. */
export type ReportSection =
  | { readonly kind: 'figures'; readonly figures: readonly Figure[] }
  | { readonly kind: 'chart'; readonly title: string; readonly note?: string; readonly chart: LineChart }
  | { readonly kind: 'table'; readonly title: string; readonly note?: string; readonly table: Table }
  | { readonly kind: 'excerpts'; readonly title: string; readonly note?: string; readonly excerpts: readonly Excerpt[] }

/** A report. */
export interface Report {
  /** Language of the page, such as `en` or `zh-CN`. */
  readonly lang: string
  readonly title: string
  readonly subtitle?: string
  readonly sections: readonly ReportSection[]
  readonly footer?: string
}

/**
 * The report as the text of an HTML file: no script, no network, every text escaped.
 * @throws ConfigError for an unknown kind of section
 */
export function reportHtml(report: Report): string {
  checkOptions('reportHtml', report, ['lang', 'title', 'subtitle', 'sections', 'footer'])
  const { lang, title, subtitle, sections, footer } = report
  return [
    '<!doctype html>',
    `<html lang="${escapeHtml(lang)}">`,
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${REPORT_STYLE}</style>`,
    '</head>',
    '<body>',
    '<main>',
    `<header><h1>${escapeHtml(title)}</h1>${subtitle === undefined ? '' : `<p>${escapeHtml(subtitle)}</p>`}</header>`,
    ...sections.map(sectionHtml),
    footer === undefined ? '' : `<footer>${escapeHtml(footer)}</footer>`,
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n')
}

function sectionHtml(section: ReportSection): string {
  switch (section.kind) {
    case 'figures':
      return `<section class="figures">${section.figures.map(figureHtml).join('')}</section>`
    case 'chart':
      return card(section, `${legendHtml(section.chart)}${lineChartSvg(section.chart)}`)
    case 'table':
      return card(section, `<div class="scroll">${tableHtml(section.table)}</div>`)
    case 'excerpts':
      return card(section, `<div class="excerpts">${section.excerpts.map(excerptHtml).join('')}</div>`, 'card wide')
    default:
      section satisfies never
      throw new ConfigError(`reportHtml: a section must be figures, chart, table or excerpts, got ${shown(section)}`)
  }
}

function card(
  { title, note }: { readonly title: string; readonly note?: string },
  content: string,
  classes = 'card',
): string {
  const small = note === undefined ? '' : `<p class="note">${escapeHtml(note)}</p>`
  return `<section class="${classes}"><h2>${escapeHtml(title)}</h2>${content}${small}</section>`
}

function figureHtml({ label, value, note }: Figure): string {
  const small = note === undefined ? '' : `<small>${escapeHtml(note)}</small>`
  return `<div class="figure"><span>${escapeHtml(label)}</span><b>${escapeHtml(value)}</b>${small}</div>`
}

function tableHtml({ columns, rows, numeric = [], strong = [] }: Table): string {
  const cell = (tag: 'th' | 'td', text: string, column: number) =>
    `<${tag}${numeric.includes(column) ? ' class="number"' : ''}>${escapeHtml(text)}</${tag}>`
  const head = columns.map((name, k) => cell('th', name, k)).join('')
  const body = rows.map((row, k) => {
    const cells = row.map((text, column) => cell('td', text, column)).join('')
    return `<tr${strong.includes(k) ? ' class="strong"' : ''}>${cells}</tr>`
  })
  return `<table><thead><tr>${head}</tr></thead><tbody>${body.join('')}</tbody></table>`
}

function excerptHtml({ label, before, text, mark }: Excerpt): string {
  const pale = before === undefined ? '' : `<span class="pale">${escapeHtml(before)}</span>`
  const sign = mark === undefined ? '' : ` <span class="${mark}">${mark === 'right' ? '✓' : '✗'}</span>`
  return `<figure><figcaption>${escapeHtml(label)}${sign}</figcaption><pre>${pale}${escapeHtml(text)}</pre></figure>`
}
