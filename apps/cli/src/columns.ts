/** Widths on a terminal. */

/** Columns that a text takes: Chinese characters take two. */
export function columnsOf(text: string): number {
  return [...text].reduce((columns, character) => columns + widthOf(character), 0)
}

/** The beginning of a text that fits into so many columns. */
export function cutToColumns(text: string, columns: number): string {
  let taken = 0
  let cut = ''
  for (const character of text) {
    taken += widthOf(character)
    if (taken > columns) break
    cut += character
  }
  return cut
}

/** The text with spaces after it up to so many columns. */
export function padToColumns(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)))
}

function widthOf(character: string): number {
  return character >= '\u2e80' && character < '\ue000' ? 2 : character >= '\uff01' && character <= '\uff60' ? 2 : 1
}
