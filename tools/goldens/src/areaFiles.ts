/** The files of one area, and the book of what was read from them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesOf, isSelected, type Area, type Selection } from './areas.js'
import { type HostDType, type HostTensor } from './hostTensor.js'
import { SafetensorsFile } from './safetensors.js'

/** Part of the area's data: a whole file, or the tensors `<key>.<name>` of one. */
export interface Source {
  readonly file: string
  readonly key?: string
}

/** Not data: nobody has to read these. */
const NOT_DATA = new Set(['goldens.json', 'index.json', 'manifest.json', 'README.md'])

/** The files of a selection that some case has to read. */
export function dataFilesOf(selection: Selection): string[] {
  const isData = (file: string): boolean => !NOT_DATA.has(file) && !file.endsWith('/README.md')
  return filesOf(selection.area).filter((file) => isData(file) && isSelected(selection, file))
}

/** Something that the index names is not in the files. */
export class MissingDataError extends Error {
  override readonly name = 'MissingDataError'
}

/** Reads files lazily, once each, and remembers which tensors were taken. */
export class AreaFiles {
  readonly area: Area
  readonly #open = new Map<string, SafetensorsFile>()
  readonly #readFiles = new Set<string>()
  readonly #readTensors = new Map<string, Set<string>>()

  constructor(area: Area) {
    this.area = area
  }

  /** The area's own list; it never counts as data. */
  index(): unknown {
    return JSON.parse(this.#text('index.json'))
  }

  /** Every file of the area, whether read or not. */
  list(): readonly string[] {
    return filesOf(this.area)
  }

  /** A whole file; all of it counts as read. @throws MissingDataError */
  bytes(file: string): Uint8Array {
    return this.#bytes(file)
  }

  /** A whole file as text. @throws MissingDataError */
  text(file: string): string {
    return this.#text(file)
  }

  /** A whole file as JSON. @throws MissingDataError, SyntaxError */
  json(file: string): unknown {
    return JSON.parse(this.#text(file))
  }

  /** Names of the tensors of a file; none of them counts as read. @throws as `tensor` */
  tensorNames(file: string): readonly string[] {
    return [...this.#safetensors(file).entries.keys()]
  }

  /** @throws MissingDataError when the file or the tensor is missing, SafetensorsError when the file is broken */
  tensor(file: string, name: string): HostTensor {
    const open = this.#safetensors(file)
    const entry = open.entries.get(name)
    if (entry === undefined) throw new MissingDataError(`${file} has no tensor ${name}`)
    this.#readTensors.get(file)?.add(name)
    return { dtype: entry.dtype.toLowerCase() as HostDType, shape: entry.shape, bytes: open.data(entry) }
  }

  /**
   * One line for every file of the selection that nobody read, and for every group of tensors in a file that nobody
   * read. `excused` are the parts of cases that did not run or failed on their way.
   */
  unread(selection: Selection, sources: readonly Source[], excused: readonly Source[]): string[] {
    const lines: string[] = []
    for (const file of dataFilesOf(selection)) {
      const inFile = excused.filter((source) => source.file === file)
      if (inFile.some((source) => source.key === undefined)) continue
      const taken = this.#readTensors.get(file)
      if (taken === undefined && inFile.length === 0 && !this.#readFiles.has(file))
        lines.push(`${file}: no case read this file`)
      if (taken === undefined) continue
      const names = [...this.#safetensors(file).entries.keys()].filter((name) => !taken.has(name))
      lines.push(...unreadGroups(file, names, keysOf(sources, file), new Set(keysOf(inFile, file))))
    }
    return lines
  }

  #safetensors(file: string): SafetensorsFile {
    const known = this.#open.get(file)
    if (known !== undefined) return known
    const opened = SafetensorsFile.parse(this.#bytes(file), file)
    this.#open.set(file, opened)
    this.#readTensors.set(file, new Set())
    return opened
  }

  #bytes(file: string): Uint8Array {
    try {
      const bytes = new Uint8Array(readFileSync(join(this.area.root, file)))
      this.#readFiles.add(file)
      return bytes
    } catch (cause) {
      throw new MissingDataError(`${file}: ${(cause as Error).message}`, { cause })
    }
  }

  #text(file: string): string {
    return new TextDecoder('utf-8', { fatal: true }).decode(this.#bytes(file))
  }
}

function keysOf(sources: readonly Source[], file: string): string[] {
  return sources.filter((source) => source.file === file).flatMap((source) => source.key ?? [])
}

function unreadGroups(
  file: string,
  names: readonly string[],
  keys: readonly string[],
  excused: ReadonlySet<string>,
): string[] {
  const groups = new Map<string, string[]>()
  for (const name of names) {
    const key = groupOf(name, keys)
    if (key !== null && excused.has(key)) continue
    const group = key ?? `${name.split('.')[0]} (of no case)`
    groups.set(group, [...(groups.get(group) ?? []), name])
  }
  return [...groups].map(([group, unread]) => `${file} ${group}: no case read ${unread.join(' ')}`)
}

/** The case that a tensor belongs to: the longest key in front of its name. Keys may have dots. */
function groupOf(name: string, keys: readonly string[]): string | null {
  const owners = keys.filter((key) => name.startsWith(`${key}.`))
  return owners.sort((a, b) => b.length - a.length)[0] ?? null
}
