/** Whether files are those that they should be: by their SHA-256. */
import { createHash } from 'node:crypto'
import type { Folder } from '@tarazed/checkpoint'

/** One compared file. */
export interface VerifiedFile {
  readonly file: string
  readonly expected: string
  /** Null when the folder has no such file. */
  readonly got: string | null
  readonly ok: boolean
}

const PIECE_BYTES = 16 * 2 ** 20

/**
 * Compares files of a folder with known sums, a piece at a time. Weights on the hub were replaced in place (34B v1, v1.1,
 * v1.2), so a name alone does not say which model one has.
 *
 * @param sha256 lower-case hexadecimal sums by file, as in a `CatalogueEntry`
 */
export async function verifyFiles(
  folder: Folder,
  sha256: Readonly<Record<string, string>>,
): Promise<readonly VerifiedFile[]> {
  const present = new Set(await folder.list())
  const results: VerifiedFile[] = []
  for (const [file, expected] of Object.entries(sha256)) {
    const got = present.has(file) ? await sumOf(folder, file) : null
    results.push({ file, expected, got, ok: got === expected.toLowerCase() })
  }
  return results
}

async function sumOf(folder: Folder, file: string): Promise<string> {
  const source = await folder.open(file)
  const hash = createHash('sha256')
  try {
    for (let at = 0; at < source.size; at += PIECE_BYTES)
      hash.update(await source.read(at, Math.min(PIECE_BYTES, source.size - at)))
  } finally {
    await source.close?.()
  }
  return hash.digest('hex')
}
