/** Texts from files and folders. */
import { createReadStream } from 'node:fs'
import { readFile, readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Failure } from './failure.js'

/** Files with text, with their sizes in bytes. */
export interface TextFile {
  readonly path: string
  readonly bytes: number
}

/** Files below the paths, sorted; in folders, hidden files and folders are left out. */
export async function textFiles(paths: readonly string[]): Promise<TextFile[]> {
  const found: TextFile[] = []
  for (const path of paths) await collect(path, found)
  if (found.length === 0)
    throw new Failure({
      en: `There are no files in ${paths.join(', ')}`,
      zh: `${paths.join('、')} 中没有文件`,
    })
  return found
}

async function collect(path: string, found: TextFile[]): Promise<void> {
  const info = await stat(path)
  if (!info.isDirectory()) return void found.push({ path, bytes: info.size })
  const entries = await readdir(path, { withFileTypes: true })
  for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name.startsWith('.') || name === 'node_modules') continue
    const below = join(path, name)
    const target = await stat(below).catch(() => undefined) // a link to nowhere
    if (target?.isFile() || target?.isDirectory()) await collect(below, found)
  }
}

/**
 * The texts of a file: every line's `text` of a .jsonl file, the file itself otherwise.
 * @throws Failure for a file that is not UTF-8, or a line that is no JSON object with a text
 */
export async function* textsOf({ path }: TextFile): AsyncGenerator<string> {
  if (extname(path) === '.jsonl') yield* jsonLines(path)
  else yield await wholeText(path)
}

async function wholeText(path: string): Promise<string> {
  const bytes = await readFile(path)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new Failure(
      {
        en: `${path} is not UTF-8 text; leave it out or convert it`,
        zh: `${path} 不是 UTF-8 文本；请去掉或转换该文件`,
      },
      { cause },
    )
  }
}

async function* jsonLines(path: string): AsyncGenerator<string> {
  let number = 0
  for await (const line of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity })) {
    number++
    if (line.trim() === '') continue
    yield textOfLine(line, `${basename(path)}:${number}`)
  }
}

function textOfLine(line: string, place: string): string {
  let text: unknown
  try {
    text = (JSON.parse(line) as { text?: unknown } | null)?.text
  } catch {
    // Told below: a line that is no JSON has no text either.
  }
  if (typeof text === 'string') return text
  throw new Failure({
    en: `${place}: every line must be a JSON object with a string "text"`,
    zh: `${place}：每行必须是带有字符串 "text" 的 JSON 对象`,
  })
}
