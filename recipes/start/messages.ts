/** Everything that the program says: what there are words for. The words are beside this file, in English and Chinese. */
/** Languages of the messages. */
export type Language = 'en' | 'zh'

/** What the engine says of itself. */
export interface EngineFacts {
  readonly name: string
  readonly threads: number
  readonly relaxedSimd: boolean
}

/** Figures of a line of progress, already formatted where they need no words. */
export interface ProgressFigures {
  readonly step: number
  readonly total: number | null
  /** Nats per token. */
  readonly loss: number | null
  readonly tokensPerSecond: number | null
  readonly elapsed: string
  readonly left: string | null
}

/** Sizes of a model, for people. */
export interface ModelFacts {
  readonly parameters: string
  readonly layers: number
  readonly width: number
  readonly context: number
  readonly vocabulary: number
}

/** A score on questions, in percent with its standard error, and the margins over the baselines. */
export interface QuizFigures {
  readonly language: string
  readonly questions: number
  readonly model: string
  readonly ngram: string
  readonly constant: string
  readonly overNgram: string
  readonly overConstant: string
}

/** The words of a language. */
export interface Messages {
  // the story
  readonly reading: (source: string) => string
  readonly world: string
  readonly corpus: (files: number, learned: string, heldOut: string) => string
  readonly skipped: (count: number, examples: string) => string
  readonly reason: Readonly<Record<SkipReason, string>>
  readonly cut: (limit: string) => string
  readonly tokenizer: (tokens: number, bytesPerToken: string) => string
  readonly learned: (tokens: string) => string
  readonly model: (facts: ModelFacts) => string
  readonly engine: (engine: EngineFacts) => string
  readonly planned: (steps: number) => string
  readonly progress: (figures: ProgressFigures) => string
  readonly validation: (step: number, bits: string) => string
  readonly trained: (steps: number, time: string, tokensPerSecond: string) => string
  readonly score: (name: string, bits: string, gzip: string) => string
  readonly asking: (questions: number) => string
  readonly quiz: (figures: QuizFigures) => string
  readonly sampleTitle: string
  readonly saved: (folder: string, report: string) => string
  readonly nothingLeft: (steps: number) => string
  readonly resuming: (folder: string, step: number, total: number | null) => string
  readonly olderUsed: (reason: string) => string
  readonly stopping: string
  readonly stopped: (step: number, command: string) => string
  readonly again: (command: string) => string
  readonly report: ReportWords
  // what can go wrong
  readonly badFlags: (reason: string) => string
  readonly badNumber: (flag: string, got: string, least: number, most: number) => string
  readonly badLanguage: (got: string) => string
  readonly badWidth: (got: number) => string
  readonly stepsOrSeconds: () => string
  readonly fixedByRun: (flag: string) => string
  readonly noCorpus: (path: string) => string
  readonly emptyCorpus: (path: string, skipped: number) => string
  readonly smallCorpus: (path: string, bytes: number, least: number) => string
  readonly shortCorpus: (context: number) => string
  readonly longPrompt: (tokens: number, context: number) => string
  readonly textChanged: (source: string) => string
  readonly outInUse: (folder: string, command: string) => string
  readonly noRun: (folder: string) => string
  readonly brokenRun: (folder: string, reason: string) => string
  readonly diverged: (step: number) => string
  readonly diskFull: (path: string | undefined) => string
  readonly notAllowed: (path: string | undefined) => string
  readonly missing: (path: string | undefined) => string
  readonly notAFolder: (path: string | undefined) => string
  readonly unexpected: (detail: string) => string
  readonly help: string
}

/** The words of the report. */
export interface ReportWords {
  readonly world: string
  readonly title: (source: string) => string
  readonly subtitle: (facts: ModelFacts, steps: number, time: string) => string
  readonly questions: (language: string) => string
  readonly margins: (ngram: string, constant: string) => string
  readonly heldOut: string
  readonly heldOutMean: string
  readonly parameters: string
  readonly trained: string
  readonly steps: string
  readonly speed: string
  readonly quizTitle: (language: string) => string
  readonly quizNote: (constant: string) => string
  readonly quizColumns: readonly string[]
  readonly all: string
  readonly bitsTitle: string
  readonly bitsNote: string
  readonly bitsColumns: readonly string[]
  readonly answersTitle: string
  readonly answersNote: string
  readonly samplesTitle: string
  readonly footer: string
  readonly languages: Readonly<Record<Language, string>>
  readonly domains: Readonly<
    Record<'stories' | 'questions' | 'arithmetic' | 'translation' | 'code' | 'documents', string>
  >
}

/** Why a file is no training text. */
export type SkipReason = 'binary' | 'notUtf8' | 'unreadable' | 'special' | 'empty'

/** Chinese when the locale says so, as `LANG=zh_CN.UTF-8`. */
export function languageFrom(env: NodeJS.ProcessEnv): Language {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || ''
  return /^zh/i.test(locale) ? 'zh' : 'en'
}
