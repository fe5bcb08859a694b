/** Where a model is: a folder on the disk, or a repository of the hub. */
import { stat } from 'node:fs/promises'
import type { Folder } from '@tarazed/checkpoint'
import { hubFolder } from '@tarazed/checkpoint/hub'
import { diskFolder } from '@tarazed/checkpoint/node'
import type { Context, Option, Values } from './command.js'
import { Failure } from './failure.js'
import { type Bar, byteSize, createBar } from './progress.js'

/** Options of every command that takes a model. */
export const MODEL_OPTIONS: Readonly<Record<string, Option>> = {
  revision: {
    kind: 'text',
    value: 'REV',
    byDefault: 'main',
    about: { en: 'branch, tag or commit of a hub repository', zh: 'Hub 仓库的分支、标签或提交' },
  },
  offline: {
    kind: 'flag',
    about: { en: 'use only what is in the cache (also HF_HUB_OFFLINE=1)', zh: '只用缓存（也可设 HF_HUB_OFFLINE=1）' },
  },
}

/** What `written` means: a path when something is there or it looks like one, else `owner/name` on the hub. */
export async function openModelFolder(written: string, values: Values, context: Context): Promise<Folder> {
  const path = context.path(written)
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) return diskFolder(path)
  if (found !== undefined)
    throw new Failure({
      en: `${written} is a file; name the folder that holds config.json and the weights`,
      zh: `${written} 是文件；请给出包含 config.json 和权重的目录`,
    })
  if (!/^[A-Za-z0-9][\w.-]*\/[\w.-]+$/.test(written))
    throw new Failure({
      en: `There is no folder ${written}; give the path of a model folder, or owner/name of a repository on the hub`,
      zh: `没有目录 ${written}；请给出模型目录的路径，或 Hub 仓库的 所有者/名称`,
    })
  return openHub(written, values, context)
}

/** Downloads are told as they come; the commit is told once, so that it can be pinned. */
async function openHub(repo: string, values: Values, context: Context): Promise<Folder> {
  const { say, err, signal } = context
  let bar: Bar | undefined
  let file: string | undefined
  const folder = await hubFolder({
    repo,
    revision: values.text('revision'),
    signal,
    ...(values.flag('offline') && { offline: true }),
    onWarning: (message) => void err.write(`${message}\n`),
    onProgress: (progress) => {
      if (file !== progress.file) {
        bar?.end()
        file = progress.file
        bar = createBar(context, { label: file, total: progress.totalBytes, figure: byteSize })
      }
      bar?.show(progress.bytes)
      if (progress.bytes >= progress.totalBytes) bar?.end()
    },
  })
  if (folder.commit !== folder.revision)
    err.write(
      `${say({ en: `${repo} at ${folder.commit} (pin it with --revision)`, zh: `${repo}，提交 ${folder.commit}（可用 --revision 固定）` })}\n`,
    )
  return folder
}
