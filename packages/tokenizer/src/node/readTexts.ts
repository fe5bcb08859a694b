import { createReadStream } from 'node:fs'
import { requireInteger, requireOptions, shown, TokenizerError } from '../errors.js'

/** How files are cut into texts. */
export interface ReadTextsOptions {
  /** Characters of a text at least, where the file is that long; default 2^20. */
  readonly textLength?: number
}

/**
 * Text files (UTF-8) as texts for `trainBpe`: large parts that end before a line break followed by something visible, which is always
 * a border of pieces, so that counts are those of whole files. Reads as training consumes.
 *
 * @throws TokenizerError for wrong arguments; the system's error for files that cannot be read
 */
export async function* readTexts(
  paths: string | readonly string[],
  options: ReadTextsOptions = {},
): AsyncGenerator<string> {
  requireOptions('readTexts', options, ['textLength'])
  const { textLength = 1 << 20 } = options
  requireInteger('readTexts: textLength', textLength, 1, 1 << 28)
  for (const path of typeof paths === 'string' ? [paths] : paths) {
    if (typeof path !== 'string') throw new TokenizerError(`readTexts: every path must be a string, got ${shown(path)}`)
    let waiting = ''
    let enough = textLength
    for await (const chunk of createReadStream(path, { encoding: 'utf8' }) as AsyncIterable<string>) {
      waiting += chunk
      if (waiting.length < enough) continue
      const cut = lastBorder(waiting)
      if (cut > 0) yield waiting.slice(0, cut)
      waiting = waiting.slice(cut)
      // Without a border the text is looked at again when it has doubled, not at every chunk.
      enough = Math.max(textLength, 2 * waiting.length)
    }
    if (waiting !== '') yield waiting
  }
}

/** Place of the last line break that something visible follows, or 0. */
function lastBorder(text: string): number {
  for (let at = text.lastIndexOf('\n'); at > 0; at = text.lastIndexOf('\n', at - 1)) {
    if (at + 1 < text.length && /\P{White_Space}/u.test(text[at + 1])) return at
  }
  return 0
}
