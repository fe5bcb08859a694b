/** The report of a run: figures, curves, scores, answers, samples. */
import {
  type DomainScore,
  type ReportSection,
  type RunEvent,
  type Table,
  chineseChartWords,
  englishChartWords,
  reportHtml,
  runCharts,
} from '@tarazed/heurimentor'
import { type Domain, bytesOf } from './corpus.js'
import type { Language, Messages, ModelFacts } from './messages.js'
import { type Accuracy, type Answered, type QuizScore } from './quiz.js'
import { type Sample } from './sample.js'
import { gzipBits } from './score.js'

/** Everything that a report shows. */
export interface Findings {
  readonly source: string
  readonly model: ModelFacts
  readonly steps: number
  readonly time: string
  readonly tokensPerSecond: number
  readonly events: readonly RunEvent[]
  readonly domains: readonly Domain[]
  readonly scores: readonly DomainScore[]
  /** Empty without the tiny world. */
  readonly quiz: readonly {
    readonly language: Language
    readonly score: QuizScore
    readonly answered: readonly Answered[]
  }[]
  readonly samples: readonly Sample[]
}

/** How many answers of each language are shown. */
const SHOWN_ANSWERS = 10

/** The report as HTML. */
export function report(findings: Findings, language: Language, say: Messages): string {
  const words = say.report
  const { source, model, steps, time, quiz, samples } = findings
  const curves = runCharts(findings.events, language === 'zh' ? chineseChartWords : englishChartWords)
  return reportHtml({
    lang: language === 'zh' ? 'zh-CN' : 'en',
    title: words.title(source),
    subtitle: words.subtitle(model, steps, time),
    sections: [
      firstFigures(findings, say),
      ...quiz.map(({ language, score }) => quizTable(language, score, say)),
      ...curves.slice(0, 2),
      ...(quiz.length === 0 ? [] : [answers(findings, say)]),
      {
        kind: 'excerpts',
        title: words.samplesTitle,
        excerpts: samples.map(({ name, prompt, text }) => ({ label: name, before: prompt, text })),
      },
      bitsTable(findings, say),
      ...curves.slice(2),
    ],
    footer: words.footer,
  })
}

/** "87.3 %" */
export function percent({ share }: Accuracy): string {
  return `${(100 * share).toFixed(1)} %`
}

/** "87.3 % ± 2.1" */
export function percentWithError(accuracy: Accuracy): string {
  return `${percent(accuracy)} ± ${(100 * accuracy.error).toFixed(1)}`
}

function firstFigures(
  { quiz, scores, model, steps, time, tokensPerSecond }: Findings,
  { report: words }: Messages,
): ReportSection {
  const mean = scores.reduce((sum, { bitsPerByte }) => sum + (bitsPerByte ?? 0), 0) / scores.length
  return {
    kind: 'figures',
    figures: [
      ...quiz.map(({ language, score }) => ({
        label: words.questions(words.languages[language]),
        value: percentWithError(score.model),
        note: words.margins(score.overNgram.toFixed(1), score.overConstant.toFixed(1)),
      })),
      { label: words.heldOut, value: mean.toFixed(3), note: words.heldOutMean },
      { label: words.parameters, value: model.parameters },
      { label: words.trained, value: time, note: `${steps.toLocaleString('en')} ${words.steps}` },
      { label: words.speed, value: Math.round(tokensPerSecond).toLocaleString('en') },
    ],
  }
}

function quizTable(language: Language, score: QuizScore, { report: words }: Messages): ReportSection {
  const row = (name: string, model: Accuracy, ngram: Accuracy, constant: string) => [
    name,
    String(model.questions),
    percentWithError(model),
    percentWithError(ngram),
    constant,
  ]
  const table: Table = {
    columns: words.quizColumns,
    numeric: [1, 2, 3, 4],
    rows: [
      ...score.byDomain.map(({ domain, model, ngram }) => row(words.domains[domain], model, ngram, '')),
      row(words.all, score.model, score.ngram, percentWithError(score.constant)),
    ],
    strong: [score.byDomain.length],
  }
  return {
    kind: 'table',
    title: words.quizTitle(words.languages[language]),
    note: words.quizNote(score.constantAnswer),
    table,
  }
}

/** Answers from all over the questions, right and wrong as they come. */
function answers({ quiz }: Findings, { report: words }: Messages): ReportSection {
  const shown = quiz.flatMap(({ answered }) => {
    const every = Math.max(1, Math.floor(answered.length / SHOWN_ANSWERS))
    return answered.filter((_, k) => k % every === Math.floor(every / 2)).slice(0, SHOWN_ANSWERS)
  })
  return {
    kind: 'excerpts',
    title: words.answersTitle,
    note: words.answersNote,
    excerpts: shown.map(({ domain, prompt, model, right }) => {
      const isRight = model === right
      const text = isRight ? ` ${model}` : ` ${model}  ✗ ${right}`
      return { label: words.domains[domain], before: prompt, text, mark: isRight ? 'right' : 'wrong' }
    }),
  }
}

function bitsTable({ domains, scores }: Findings, { report: words }: Messages): ReportSection {
  const rows = domains.map(({ name, heldOut }, k) => [
    name,
    bytesOf(heldOut).toLocaleString('en'),
    scores[k].bitsPerByte?.toFixed(3) ?? '',
    gzipBits(heldOut).toFixed(3),
  ])
  const table: Table = { columns: words.bitsColumns, numeric: [1, 2, 3], rows }
  return { kind: 'table', title: words.bitsTitle, note: words.bitsNote, table }
}
