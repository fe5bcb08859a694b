/** A tape entry as derivative rules see it. */
import type { Application } from './rules.js'
import { outputOf, type TapeEntry } from './tape.js'

export function applicationOf(entry: TapeEntry): Application {
  const { node, sources } = entry
  return {
    node,
    attrs: node.attrs,
    inputs: node.inputs,
    needs: sources.map((source) => source !== null),
    output: (k) => outputOf(entry, k),
  }
}
