/** Finds the areas that the folders on the command line mean. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'

/** A folder with a `goldens.json`: reference results of one kind in one layout. */
export interface Area {
  readonly root: string
  /** The folder's name, for ids. */
  readonly name: string
  readonly kind: string
  readonly layout: number
}

/** An area, or the part of it that was asked for: all cases, or those with a file at or below one of `below`. */
export interface Selection {
  readonly area: Area
  /** Paths relative to the root with `/`; null means everything. */
  readonly below: readonly string[] | null
}

export interface FoundAreas {
  readonly selections: readonly Selection[]
  /** One line for every folder that is no area, no part of one and no parent of one. */
  readonly problems: readonly string[]
}

const MARKER = 'goldens.json'

/** An area, a folder or file inside one (the nearest area above counts), or a folder with areas below it. */
export function findAreas(folders: readonly string[]): FoundAreas {
  const problems: string[] = []
  const wanted = new Map<string, string[] | null>()
  for (const folder of folders) {
    const path = resolve(folder)
    if (!existsSync(path)) {
      problems.push(`${folder}: no such folder`)
      continue
    }
    const above = areaAbove(path)
    const roots = areasBelow(path)
    if (above === null && roots.length === 0)
      problems.push(`${folder}: neither this folder nor one above or below it has a ${MARKER}`)
    if (above !== null && above !== path) addPart(wanted, above, toSlashes(relative(above, path)))
    for (const root of roots) wanted.set(root, null)
  }
  const selections: Selection[] = []
  for (const [root, below] of [...wanted].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const area = readMarker(root)
    if (typeof area === 'string') problems.push(area)
    else selections.push({ area, below })
  }
  return { selections, problems }
}

function addPart(wanted: Map<string, string[] | null>, root: string, part: string): void {
  const parts = wanted.get(root)
  if (parts === null) return
  wanted.set(root, [...(parts ?? []), part])
}

function areaAbove(path: string): string | null {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(join(folder, MARKER))) return folder
    if (dirname(folder) === folder) return null
  }
}

/** Roots at or below a folder. */
function areasBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return []
  const here = existsSync(join(path, MARKER)) ? [path] : []
  return [...here, ...subfolders(path).flatMap(areasBelow)]
}

function subfolders(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name))
    .sort()
}

function readMarker(root: string): Area | string {
  const file = join(root, MARKER)
  try {
    const marker = JSON.parse(readFileSync(file, 'utf8')) as { kind?: unknown; layout?: unknown } | null
    if (typeof marker?.kind === 'string' && typeof marker.layout === 'number')
      return { root, name: root.split(sep).at(-1) ?? root, kind: marker.kind, layout: marker.layout }
  } catch (cause) {
    return `${file}: ${(cause as Error).message}`
  }
  return `${file}: must be { "kind": string, "layout": number }`
}

/** Files of an area relative to its root, those of areas inside it left out. */
export function filesOf(area: Area): string[] {
  const list = (folder: string): string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name)
      if (!entry.isDirectory()) return [toSlashes(relative(area.root, path))]
      return existsSync(join(path, MARKER)) ? [] : list(path)
    })
  return list(area.root).sort()
}

/** Whether a file of the area is part of the selection. */
export function isSelected(selection: Selection, file: string): boolean {
  return selection.below === null || selection.below.some((part) => file === part || file.startsWith(`${part}/`))
}

function toSlashes(path: string): string {
  return path.split(sep).join('/')
}
