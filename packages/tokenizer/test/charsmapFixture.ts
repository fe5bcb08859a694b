/** Compiles a table as SentencePiece stores it: a Darts double array over UTF-8, and replacements. */

interface TrieNode {
  readonly next: Map<number, TrieNode>
  value?: number
}

/** Bytes of the table of some replacements. */
export function compileCharsmap(rules: Readonly<Record<string, string>>): Uint8Array {
  const utf8 = new TextEncoder()
  const root: TrieNode = { next: new Map() }
  let replacements = ''
  for (const [key, text] of Object.entries(rules)) {
    insert(root, utf8.encode(key), utf8.encode(replacements).length)
    replacements += `${text}\0`
  }
  const units = doubleArray(root)
  const blob = utf8.encode(replacements)
  const table = new Uint8Array(4 + 4 * units.length + blob.length)
  const view = new DataView(table.buffer)
  view.setUint32(0, 4 * units.length, true)
  for (const [k, unit] of units.entries()) view.setUint32(4 + 4 * k, unit, true)
  table.set(blob, 4 + 4 * units.length)
  return table
}

function insert(root: TrieNode, key: Uint8Array, value: number): void {
  let node = root
  for (const byte of key) {
    const next: TrieNode = node.next.get(byte) ?? { next: new Map() }
    node.next.set(byte, next)
    node = next
  }
  node.value = value
}

/** Every node's children lie at `node ^ offset ^ label`; label 0 is the value of a key that ends there. */
function doubleArray(root: TrieNode): number[] {
  const units: (number | undefined)[] = [0]
  const place = (node: TrieNode, at: number): void => {
    const labels = [...(node.value === undefined ? [] : [0]), ...node.next.keys()]
    let offset = 1
    while (labels.some((label) => units[at ^ offset ^ label] !== undefined)) offset++
    units[at] = ((units[at] ?? 0) | (offset << 10) | (node.value === undefined ? 0 : 0x100)) >>> 0
    for (const label of labels) units[at ^ offset ^ label] = label
    if (node.value !== undefined) units[at ^ offset] = (0x80000000 | node.value) >>> 0
    for (const [label, child] of node.next) place(child, at ^ offset ^ label)
  }
  place(root, 0)
  return Array.from(units, (unit) => unit ?? 0)
}
