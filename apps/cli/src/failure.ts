/** Errors that the user can put right are told in plain words; everything else is a fault of ours, with its stack. */
import type { Language, Text } from './language.js'

/** What the process ends with. */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** The work could not be done, for a reason outside the program. */
export class Failure extends Error {
  override readonly name: string = 'Failure'
  readonly text: Text

  constructor(text: Text, options: { readonly cause?: unknown } = {}) {
    super(text.en, options)
    this.text = text
  }
}

/** The command line cannot be understood. */
export class UsageFailure extends Failure {
  override readonly name = 'UsageFailure'
}

/** An error as the user should read it, and the exit code that goes with it. */
export function describeError(error: unknown, language: Language): { readonly text: string; readonly exit: number } {
  if (error instanceof UsageFailure) return { text: error.text[language], exit: EXIT.usage }
  if (error instanceof Failure) return { text: error.text[language], exit: EXIT.failed }
  if (!(error instanceof Error)) return { text: internal(String(error), language), exit: EXIT.failed }
  if (error.name === 'AbortError') return { text: '', exit: EXIT.interrupted }
  const known = fileSystemReason(error, language)
  if (known !== undefined) return { text: known, exit: EXIT.failed }
  return { text: teaches(error) ? error.message : internal(error.stack ?? error.message, language), exit: EXIT.failed }
}

/** Typed errors of our packages explain themselves; the classes of JavaScript do not. */
function teaches(error: Error): boolean {
  const ofLanguage = ['Error', 'TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'AssertionError']
  return !ofLanguage.includes(error.name) && !error.message.startsWith('internal:')
}

const REASONS: Readonly<Record<string, (path: string) => Text>> = {
  ENOENT: (path) => ({ en: `There is no ${path || 'such file'}`, zh: `不存在 ${path || '该文件'}` }),
  ENOTDIR: (path) => ({ en: `${path || 'The path'} is not a folder`, zh: `${path || '该路径'} 不是目录` }),
  EISDIR: (path) => ({
    en: `${path || 'The path'} is a folder, not a file`,
    zh: `${path || '该路径'} 是目录，不是文件`,
  }),
  EEXIST: (path) => ({ en: `${path || 'The path'} exists already`, zh: `${path || '该路径'} 已存在` }),
  EACCES: (path) => ({ en: `No permission for ${path || 'this path'}`, zh: `没有权限：${path || '该路径'}` }),
  EPERM: (path) => ({ en: `No permission for ${path || 'this path'}`, zh: `没有权限：${path || '该路径'}` }),
  EROFS: (path) => ({ en: `${path || 'The path'} cannot be written to`, zh: `${path || '该路径'} 不可写` }),
  ENOSPC: () => ({
    en: 'The disk is full. Free some space; files that were there stay as they were',
    zh: '磁盘已满。请腾出空间；原有文件不受影响',
  }),
  ECONNREFUSED: (path) => ({
    en: `The server cannot be reached${path === '' ? '' : ` (${path})`}; check HF_ENDPOINT and the network`,
    zh: `无法连接服务器${path === '' ? '' : `（${path}）`}；请检查 HF_ENDPOINT 和网络`,
  }),
  ENOTFOUND: () => ({
    en: 'The server is not known here; check HF_ENDPOINT and the network, or set HF_HUB_OFFLINE=1 to use what is cached',
    zh: '找不到服务器；请检查 HF_ENDPOINT 和网络，或设置 HF_HUB_OFFLINE=1 使用缓存',
  }),
}

function fileSystemReason(error: Error, language: Language): string | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code, path } = at as NodeJS.ErrnoException
    if (code !== undefined && Object.hasOwn(REASONS, code)) return REASONS[code](path ?? '')[language]
  }
  return undefined
}

function internal(detail: string, language: Language): string {
  const words: Text = {
    en: 'internal: something went wrong that is our fault; please report it',
    zh: 'internal: 程序出错，请向我们报告',
  }
  return `${words[language]}\n${detail}`
}
