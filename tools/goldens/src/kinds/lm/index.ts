/** Kind `lm`: small language models and the tables around them. The family of a case is the prefix of its folder's name. */
import { type Area } from '../../areas.js'
import { type AreaFiles, type Source } from '../../areaFiles.js'
import { type GoldenCase, type GoldenKind } from '../../case.js'
import { cases as chatCases } from './chat.js'
import { cases as ggufCases } from './ggufBlocks.js'
import { cases as modelCases } from './model.js'
import { cases as pickleCases } from './pickle.js'
import { cases as samplingCases } from './sampling.js'
import { cases as scheduleCases } from './schedules.js'
import { cases as tokenizerCases } from './tokenizer.js'

/** The cases of some folders. `cases` looks for its folders in the area by itself. */
interface Family {
  /** Beginnings of folder names; a folder that no family names fails. */
  readonly folders: readonly string[]
  cases(area: Area, files: AreaFiles): GoldenCase[]
}

const FAMILIES: readonly Family[] = [
  { folders: ['aquila2-'], cases: modelCases },
  { folders: ['aquila2-pickle'], cases: pickleCases },
  { folders: ['aquila2-gguf'], cases: ggufCases },
  { folders: ['chat'], cases: chatCases },
  { folders: ['sampling'], cases: samplingCases },
  { folders: ['schedules'], cases: scheduleCases },
  { folders: ['tokenizer'], cases: tokenizerCases },
]

export const lmKind: GoldenKind = {
  kind: 'lm',
  layouts: [1],
  cases(area, files) {
    const known = FAMILIES.flatMap((family) => casesOf(family, area, files))
    const strangers = foldersOf(files).filter(
      (folder) => !FAMILIES.some((family) => family.folders.some((beginning) => folder.startsWith(beginning))),
    )
    return [...known, ...strangers.map((folder) => withoutRunner(folder, files))]
  },
}

/** A family whose index cannot be read fails alone. */
function casesOf(family: Family, area: Area, files: AreaFiles): GoldenCase[] {
  try {
    return family.cases(area, files)
  } catch (cause) {
    const [folder] = family.folders
    return [{ id: 'index', op: folder, sources: sourcesIn(folder, files), run: () => Promise.reject(cause as Error) }]
  }
}

/** Folders at the top of the area. */
function foldersOf(files: AreaFiles): string[] {
  return [...new Set(files.list().flatMap((file) => (file.includes('/') ? [file.split('/')[0]] : [])))]
}

/** Fails, so that a folder which nothing reads is seen. */
function withoutRunner(folder: string, files: AreaFiles): GoldenCase {
  return {
    id: 'all',
    op: folder,
    sources: sourcesIn(`${folder}/`, files),
    run: () => Promise.resolve(`no runner for the family of folder ${folder} yet`),
  }
}

function sourcesIn(beginning: string, files: AreaFiles): Source[] {
  return files
    .list()
    .filter((file) => file.startsWith(beginning))
    .map((file) => ({ file }))
}
