/** Kind `lm`: small language models and the tables around them. The family of a case is the prefix of its folder's name. */
import { type Area } from '../../areas.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type GoldenCase, type GoldenKind } from '../../case.js'
import { cases as modelCases } from './model.js'

/** The cases of some folders. `cases` looks for its folders in the area by itself. */
interface Family {
  /** Beginnings of folder names; a folder that no family names fails. */
  readonly folders: readonly string[]
  cases(area: Area, files: AreaFiles): GoldenCase[]
}

const FAMILIES: readonly Family[] = [{ folders: ['aquila2-'], cases: modelCases }]

export const lmKind: GoldenKind = {
  kind: 'lm',
  layouts: [1],
  cases(area, files) {
    const known = FAMILIES.flatMap((family) => family.cases(area, files))
    const strangers = foldersOf(files).filter(
      (folder) => !FAMILIES.some((family) => family.folders.some((beginning) => folder.startsWith(beginning))),
    )
    return [...known, ...strangers.map((folder) => withoutRunner(folder, files))]
  },
}

/** Folders at the top of the area. */
export function foldersOf(files: AreaFiles): string[] {
  return [...new Set(files.list().flatMap((file) => (file.includes('/') ? [file.split('/')[0]] : [])))]
}

/** Fails, so that a folder which nothing reads is seen. */
function withoutRunner(folder: string, files: AreaFiles): GoldenCase {
  return {
    id: 'all',
    op: folder,
    sources: files
      .list()
      .filter((file) => file.startsWith(`${folder}/`))
      .map((file) => ({ file })),
    run: () => Promise.resolve(`no runner for the family of folder ${folder} yet`),
  }
}
