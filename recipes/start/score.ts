/** Held-out text, beside what a compressor makes of it. */
import { gzipSync } from 'node:zlib'
import { bytesOf } from './corpus.js'

/** Bits per byte that gzip -9 needs for some texts. */
export function gzipBits(texts: readonly string[]): number {
  return (gzipSync(texts.join('\n'), { level: 9 }).length * 8) / bytesOf(texts)
}
