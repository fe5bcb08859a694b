/** Normalisation of text before it is split, with the way back to the text as it was. */

/** A normalised text. */
export interface Normalized {
  readonly text: string
  /** Where the character at a unit of the normalised text began in the original. */
  start(at: number): number
  /** The original unit after what ends at a unit of the normalised text. */
  end(at: number): number
}

/** Text to its normal form. */
export interface Normalizer {
  normalize(text: string): Normalized
}

/** A part of a text, and what comes instead. */
export interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** The text after some edits, which are in order and do not overlap. What stays keeps its place, what is new has the place of what went. */
export function editedText(text: string, edits: readonly Edit[]): Normalized {
  if (edits.length === 0) return { text, start: (at) => at, end: (at) => at }
  let output = ''
  const starts: number[] = []
  const ends: number[] = []
  let done = 0
  const keep = (to: number): void => {
    output += text.slice(done, to)
    for (; done < to; done++) {
      starts.push(done)
      ends.push(done + 1)
    }
  }
  for (const edit of edits) {
    keep(edit.from)
    output += edit.text
    for (let k = 0; k < edit.text.length; k++) {
      starts.push(edit.from)
      ends.push(edit.to)
    }
    done = edit.to
  }
  keep(text.length)
  return {
    text: output,
    start: (at) => starts[at] ?? text.length,
    end: (at) => (at === 0 ? 0 : ends[at - 1]),
  }
}

/** A character with the marks that belong to it, or the letters of a Hangul syllable: normal forms do not reach over its ends, mostly. */
const CLUSTER = /[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]+|\P{M}\p{M}*|\p{M}+/gsu

/**
 * A normaliser from a function of whole texts. Places come from normalising cluster by cluster; where that gives another text than
 * normalising the whole, the part that differs is taken as one.
 */
export function alignedNormalizer(normalize: (text: string) => string): Normalizer {
  return {
    normalize(text) {
      const whole = normalize(text)
      if (whole === text) return { text, start: (at) => at, end: (at) => at }
      let places: Places | undefined
      const find = (): Places => (places ??= alignment(text, whole, normalize))
      return { text: whole, start: (at) => find().starts[at], end: (at) => find().ends[at] }
    },
  }
}

/** Per unit of the normalised text, and one for its end: where it begins in the original, and where what is before it ends. */
interface Places {
  readonly starts: Int32Array
  readonly ends: Int32Array
}

function alignment(text: string, whole: string, normalize: (text: string) => string): Places {
  const starts = new Int32Array(whole.length + 1)
  const ends = new Int32Array(whole.length + 1)
  let at = 0
  for (const { index, 0: cluster } of text.matchAll(CLUSTER)) {
    const normal = normalize(cluster)
    if (!whole.startsWith(normal, at)) return remainder({ starts, ends }, at, index, text.length)
    const same = normal === cluster
    for (let k = 0; k < normal.length; k++) {
      starts[at + k] = same ? index + k : index
      ends[at + k + 1] = same ? index + k + 1 : index + cluster.length
    }
    at += normal.length
  }
  return at === whole.length
    ? remainder({ starts, ends }, at, text.length, text.length)
    : remainder({ starts, ends }, at, 0, text.length)
}

/** Everything from `at` on stands for the rest of the text. */
function remainder({ starts, ends }: Places, at: number, from: number, to: number): Places {
  starts.fill(from, at)
  ends.fill(to, at + 1)
  if (at === starts.length - 1) starts[at] = to
  return { starts, ends }
}

/** One normaliser after another; places lead back through all of them. */
export function chainedNormalizers(steps: readonly Normalizer[]): Normalizer {
  return {
    normalize(text) {
      let result: Normalized = { text, start: (at) => at, end: (at) => at }
      for (const step of steps) {
        const before = result
        const after = step.normalize(before.text)
        result = {
          text: after.text,
          start: (at) => before.start(after.start(at)),
          end: (at) => before.end(after.end(at)),
        }
      }
      return result
    },
  }
}
