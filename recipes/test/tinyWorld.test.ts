import { describe, expect, it } from 'vitest'
import { isHeldOut } from '../tinyWorld/combinations.js'
import { DOMAINS, type WorldDocument, piecesOf, prompt, wholeText } from '../tinyWorld/document.js'
import { colourOf, homeOf } from '../tinyWorld/facts.js'
import { heldOutQuestions, worldDocument } from '../tinyWorld/tinyWorld.js'
import { LANGUAGES, type Language, PEOPLE, PLACES, THINGS } from '../tinyWorld/words.js'

const COUNT = 3000

const documents = (part: 'training' | 'heldOut', seed = 0): WorldDocument[] =>
  DOMAINS.flatMap((domain) =>
    LANGUAGES.flatMap((language) =>
      Array.from({ length: COUNT }, (_, k) => worldDocument({ seed, domain, language, part }, k)),
    ),
  )

const training = documents('training')
const heldOut = LANGUAGES.flatMap((language) => heldOutQuestions(language, { seed: 0, perDomain: 50 }))

describe('the tiny world', () => {
  it('is the same for the same seed, and another for another', () => {
    const first = (seed: number) =>
      DOMAINS.map((domain) => wholeText(worldDocument({ seed, domain, language: 'en', part: 'training' }, 7)))
    expect(first(3)).toEqual(first(3))
    expect(first(3)).not.toEqual(first(4))
  })

  it('never shows a held-out combination in training', () => {
    const shown = new Set(training.flatMap(({ combinations }) => combinations))
    expect(shown.size).toBeGreaterThan(3000)
    expect([...shown].filter(isHeldOut)).toEqual([])
  })

  it('asks in its held-out questions about held-out combinations only', () => {
    for (const { document } of heldOut) {
      expect(document.combinations.length).toBeGreaterThan(0)
      expect(document.combinations.filter((name) => !isHeldOut(name))).toEqual([])
    }
  })

  it('has at least 200 different held-out questions in each language, from all five domains', () => {
    for (const language of LANGUAGES) {
      const own = heldOut.filter(({ document }) => document.language === language)
      expect(new Set(own.map(({ document, question }) => prompt(document, question))).size).toBe(own.length)
      expect(own.length).toBeGreaterThanOrEqual(200)
      expect(new Set(own.map(({ document }) => document.domain)).size).toBe(5)
    }
  })

  it('shares every word between training and held-out questions', () => {
    const words = (text: string) => text.match(/[A-Za-z]+|\d+|\p{Script=Han}/gu) ?? []
    const known = new Set(training.flatMap((document) => words(wholeText(document))))
    for (const { document } of heldOut)
      for (const word of words(wholeText(document))) expect(known.has(word), word).toBe(true)
  })
})

/** What the texts themselves say, without a look at the names of combinations. */
describe('the words of training texts', () => {
  const texts = training.map(wholeText)
  const inEnglish = texts.filter((_, k) => training[k].language === 'en')

  it('never have somebody put something where a held-out question says so', () => {
    const facts = (text: string) =>
      [...text.matchAll(/(\w+) (?:puts|leaves|hides) the (\w+) in the (\w+)\./g)].map(([, ...words]) => words.join(' '))
    const asked = heldOut.flatMap(({ document }) => facts(document.text))
    const seen = new Set(inEnglish.flatMap(facts))
    expect(asked.length).toBeGreaterThan(50)
    expect(seen.size).toBeGreaterThan(1000)
    expect(asked.filter((fact) => seen.has(fact))).toEqual([])
  })

  it('never name a person together with a thing of a held-out question about what people own', () => {
    const pairs = heldOut.flatMap(({ document }) => {
      const match = /What colour is (\w+)'s (\w+)|Where does (\w+) keep the (\w+)/.exec(wholeText(document))
      return match === null ? [] : [[match[1] ?? match[3], match[2] ?? match[4]]]
    })
    expect(pairs.length).toBeGreaterThan(20)
    for (const [person, thing] of pairs) {
      const together = inEnglish.filter(
        (text) => new RegExp(`\\b${person}\\b`).test(text) && text.includes(` ${thing}`),
      )
      // several questions of one document may be about different people
      const named = together.filter((text) =>
        new RegExp(`${person}('s| keep the) ${thing}|${person} \\w+ the ${thing}`).test(text),
      )
      expect(named).toEqual([])
    }
  })

  it('never have the phrase or the sum of a held-out question', () => {
    const phrase = /“([^”]+)”/
    const sum = /(\d+) ([+-]) (\d+)/
    const found = (pattern: RegExp) => heldOut.flatMap(({ question }) => pattern.exec(question.ask)?.[0] ?? [])
    for (const pattern of [phrase, sum]) {
      const asked = found(pattern).map((text) => text.replace(/[“”]/g, ''))
      expect(asked.length).toBeGreaterThan(15)
      for (const text of asked) {
        const whole = new RegExp(`(^|[^\\d\\p{L}])${text.replace('+', '\\+')}($|[^\\d\\p{L}])`, 'u')
        expect(texts.filter((training) => whole.test(training))).toEqual([])
      }
    }
  })
})

describe('answers', () => {
  const numbers = (text: string) => (text.match(/\d+/g) ?? []).map(Number)

  it('to sums are right', () => {
    for (const { document, question } of heldOut.filter(({ question }) => question.kind === 'sum')) {
      const [, x, op, y] = /(\d+) ([+-]) (\d+)/.exec(`${document.text}\n${question.ask}`) as RegExpExecArray
      expect(Number(question.answer)).toBe(op === '+' ? Number(x) + Number(y) : Number(x) - Number(y))
    }
  })

  it('to questions of more are the larger number', () => {
    const more = heldOut.filter(({ question }) => question.kind === 'more')
    expect(more.length).toBeGreaterThan(10)
    for (const { question } of more) expect(Number(question.answer)).toBe(Math.max(...numbers(question.ask)))
  })

  it('to counting are what is left or what came together', () => {
    for (const { document, question } of heldOut.filter(({ question }) => question.kind === 'count')) {
      const [x, y] = numbers(document.text)
      const taken = /eats|吃了/.test(document.text)
      expect(Number(question.answer)).toBe(taken ? x - y : x + y)
    }
  })

  it('about a scene are words of that scene, in the sentence of what is asked', () => {
    for (const { document, question } of heldOut.filter(({ document }) => document.domain === 'stories')) {
      const sentence = document.text.split(/[.。]/).find((part) => part.includes(question.answer)) ?? ''
      const asked = [...THINGS, ...PLACES].filter((word) => question.ask.includes(word[document.language]))
      expect(asked.some((word) => sentence.includes(word[document.language]))).toBe(true)
    }
  })

  it('about people follow from the facts of the world', () => {
    const person = (text: string, language: Language) => PEOPLE[language].find(({ name }) => text.includes(name))
    for (const { document, question } of heldOut.filter(({ document }) => document.domain === 'questions')) {
      const { language } = document
      const who = person(question.ask, language)
      if (who === undefined) continue
      const fact = question.kind === 'colour' ? colourOf(language, who) : homeOf(language, who)
      expect(question.answer).toContain(fact[language])
    }
  })

  it('of programs are the values that Python gives', () => {
    for (const { document, question } of heldOut.filter(({ question }) =>
      ['variable', 'list'].includes(question.kind),
    )) {
      // these programs are JavaScript too
      const expression = /What is (.*)\?|问：(.*) 的值/.exec(question.ask) as RegExpExecArray
      const value: unknown = new Function(
        `var ${document.text.split('\n').join(';var ')}; return ${expression[1] ?? expression[2]}`,
      )()
      expect(question.answer).toBe(JSON.stringify(value))
    }
  })

  it('are the answer pieces of their documents, and the pieces are the whole text', () => {
    for (const document of training.slice(0, 200).concat(heldOut.map(({ document }) => document))) {
      if (document.questions.length === 0) continue
      const pieces = piecesOf(document)
      expect(pieces.map(({ text }) => text).join('')).toBe(wholeText(document))
      const answers = pieces.filter(({ isAnswer }) => isAnswer).map(({ text }) => text.trim())
      expect(answers).toEqual(document.questions.map(({ answer }) => answer))
    }
  })
})
