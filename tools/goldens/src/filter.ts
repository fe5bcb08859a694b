/** `--filter 'matmul,!bf16'`: substrings of `area/op/id`, `!` leaves out. */

/**
 * Whether a case runs: it matches one of the plain terms (or there is none) and none of those with `!`.
 */
export function parseFilter(text: string): (name: string) => boolean {
  const terms = text
    .split(',')
    .map((term) => term.trim())
    .filter((term) => term !== '' && term !== '!')
  const out = terms.filter((term) => term.startsWith('!')).map((term) => term.slice(1))
  const wanted = terms.filter((term) => !term.startsWith('!'))
  return (name) =>
    (wanted.length === 0 || wanted.some((term) => name.includes(term))) && !out.some((term) => name.includes(term))
}
