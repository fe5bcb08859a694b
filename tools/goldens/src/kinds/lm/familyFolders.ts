/** Reading what families of cases have in common. */
import { type AreaFiles } from '../../areaFiles.js'
import { IndexError } from '../../stored.js'

/** Folders at the top of the area whose names begin so. */
export function familyFolders(files: AreaFiles, beginning: string): string[] {
  const folders = files.list().flatMap((file) => (file.includes('/') ? [file.split('/')[0]] : []))
  return [...new Set(folders)].filter((folder) => folder.startsWith(beginning))
}

/** @throws IndexError for anything but an object */
export function recordOf(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new IndexError(`${name} must be an object`)
  return value as Record<string, unknown>
}
