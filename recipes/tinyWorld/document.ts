/** Documents and questions of the tiny world. */
import { type Language } from './words.js'

/** The five kinds of text. */
export type Domain = 'stories' | 'questions' | 'arithmetic' | 'translation' | 'code'

/** All of them. */
export const DOMAINS: readonly Domain[] = ['stories', 'questions', 'arithmetic', 'translation', 'code']

/** A question with the one answer that is right. */
export interface Question {
  /** What it is about, in one word. */
  readonly kind: string
  /** From its mark to the mark of the answer. */
  readonly ask: string
  readonly answer: string
}

/** A text that ends in questions, or in none. */
export interface WorldDocument {
  readonly domain: Domain
  readonly language: Language
  /** What the questions are about; may be empty. */
  readonly text: string
  readonly questions: readonly Question[]
  /** Every combination that the document holds. */
  readonly combinations: readonly string[]
}

/** Which part of the world a document is for. */
export type Part = 'training' | 'heldOut'

/** Words that begin a question and an answer. The answer ends at the end of its line. */
export const MARKS: Readonly<Record<Language, { readonly ask: string; readonly answer: string }>> = {
  en: { ask: 'Q: ', answer: 'A:' },
  zh: { ask: '问：', answer: '答：' },
}

/** A question in the form that every document uses. */
export function question(language: Language, kind: string, ask: string, answer: string | number): Question {
  return { kind, ask: `${MARKS[language].ask}${ask}\n${MARKS[language].answer}`, answer: String(answer) }
}

/** A blank stands before an answer in Latin letters or digits, as before any such word. */
function answerText({ answer }: Question): string {
  return /^[\x20-\x7e]/.test(answer) ? ` ${answer}` : answer
}

/** A piece of a document. */
export interface Piece {
  readonly text: string
  readonly isAnswer: boolean
}

/** A document in order: answers, each with the end of its line, and what is between them. */
export function piecesOf({ text, questions }: WorldDocument): Piece[] {
  const opening = text === '' ? '' : `${text}\n`
  return questions.flatMap((question, k) => [
    { text: (k === 0 ? opening : '') + question.ask, isAnswer: false },
    { text: `${answerText(question)}\n`, isAnswer: true },
  ])
}

/** The whole text of a document. */
export function wholeText(document: WorldDocument): string {
  const { text, questions } = document
  return questions.length === 0
    ? `${text}\n`
    : piecesOf(document)
        .map((piece) => piece.text)
        .join('')
}

/** What a model is given to answer one question of a document, without the others. */
export function prompt({ text }: WorldDocument, { ask }: Question): string {
  return text === '' ? ask : `${text}\n${ask}`
}
