/** What the reference does with an answer before it shows it. */
import { checkOptions } from '@tarazed/tensor'
import { requireString, requireStrings } from '../check.js'

/** Where the reference cuts; `###` in its model's method only. */
const CUTS = ['###', '[UNK]', '</s>'] as const

/**
 * The post-processing of the reference: the answer ends before the first `###`, `[UNK]` or `</s>`, and loses one leading
 * blank. Streams do the same with `stop` and `dropLeadingSpace`.
 *
 * @param options cuts: other strings to cut at
 * @source FlagAI, flagai/model/aquila2; FlagAI-Open/Aquila2, predict
 */
export function cleanAnswer(text: string, options: { readonly cuts?: readonly string[] } = {}): string {
  requireString('cleanAnswer', 'text', text)
  const { cuts = CUTS } = checkOptions('cleanAnswer', options, ['cuts'])
  requireStrings('cleanAnswer', 'cuts', cuts)
  const end = Math.min(text.length, ...cuts.map((cut) => text.indexOf(cut)).filter((at) => at >= 0))
  const answer = text.slice(0, end)
  return answer.startsWith(' ') ? answer.slice(1) : answer
}
