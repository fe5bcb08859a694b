/** The text of a recipe, by domain, with what is held out of it. */
import { Failure } from '../failure.js'
import { textFiles, textsOf } from '../textFiles.js'
import type { Recipe } from './recipe.js'

/** One domain. */
export interface DomainTexts {
  readonly name: string
  readonly weight?: number
  readonly learned: readonly string[]
  readonly heldOut: readonly string[]
}

/** Reads every domain. The last documents are held out, and of a single document its last lines. */
export async function readDomains({ data, held_out: share }: Recipe): Promise<DomainTexts[]> {
  const domains: DomainTexts[] = []
  for (const { name, path, weight } of data) {
    const texts: string[] = []
    for (const file of await textFiles([path]))
      for await (const text of textsOf(file)) if (text !== '') texts.push(text)
    if (texts.length === 0) throw new Failure({ en: `${path} has no text`, zh: `${path} 中没有文本` })
    domains.push({ name, ...(weight !== undefined && { weight }), ...split(texts, share) })
  }
  return domains
}

function split(texts: readonly string[], share: number): Pick<DomainTexts, 'learned' | 'heldOut'> {
  if (share === 0) return { learned: texts, heldOut: [] }
  const total = texts.reduce((sum, text) => sum + text.length, 0)
  let left = Math.ceil(total * share)
  const learned = [...texts]
  const heldOut: string[] = []
  while (left > 0) {
    const last = learned.pop() as string
    if (last.length > left) {
      const cut = cutBefore(last, last.length - left, left)
      learned.push(last.slice(0, cut))
      heldOut.unshift(last.slice(cut))
      break
    }
    heldOut.unshift(last)
    left -= last.length
  }
  return { learned: learned.filter((text) => text !== ''), heldOut: heldOut.filter((text) => text !== '') }
}

/** The end of the line before a place if it is near, else the place itself (never inside a surrogate pair). */
function cutBefore(text: string, place: number, near: number): number {
  const at = text.lastIndexOf('\n', place) + 1
  if (at > 0 && place - at <= near) return at
  const isInPair = /[\uDC00-\uDFFF]/.test(text[place] ?? '')
  return isInPair ? place - 1 : place
}
