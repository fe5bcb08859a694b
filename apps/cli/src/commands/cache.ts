/** `tarazed cache ls` and `rm`: what was downloaded, in the folder that all tools of the hub share. */
import { type CachedRepo, hubCacheDir, listHubCache, removeFromHubCache } from '@tarazed/checkpoint/node'
import { padToColumns } from '../columns.js'
import type { Command } from '../command.js'
import { UsageFailure } from '../failure.js'
import { byteSize } from '../progress.js'

export const cacheList: Command = {
  path: ['cache', 'ls'],
  about: { en: 'list downloaded models', zh: '列出已下载的模型' },
  details: {
    en: 'The folder is that of Python’s huggingface_hub: HF_HUB_CACHE, else hub in HF_HOME, else ~/.cache/huggingface/hub.',
    zh: '目录与 Python 的 huggingface_hub 相同：HF_HUB_CACHE，其次 HF_HOME 下的 hub，再次 ~/.cache/huggingface/hub。',
  },
  options: { json: { kind: 'flag', about: { en: 'as JSON', zh: '以 JSON 输出' } } },
  examples: [{ line: 'tarazed cache ls', about: { en: 'what is there, and how large', zh: '查看内容和大小' } }],
  async run(values, context) {
    const repos = await listHubCache()
    if (values.flag('json'))
      return void context.out.write(`${JSON.stringify({ folder: hubCacheDir(), repos }, null, 2)}\n`)
    if (repos.length === 0) {
      const folder = hubCacheDir()
      return void context.out.write(
        context.say({ en: `Nothing is cached in ${folder}\n`, zh: `${folder} 中没有缓存\n` }),
      )
    }
    context.out.write(table(repos))
  },
}

export const cacheRemove: Command = {
  path: ['cache', 'rm'],
  about: { en: 'remove downloaded models', zh: '删除已下载的模型' },
  arguments: [
    {
      name: 'REPO',
      many: true,
      about: { en: 'owner/name, as cache ls shows it', zh: '所有者/名称，与 cache ls 显示的相同' },
    },
  ],
  options: {
    revision: {
      kind: 'text',
      value: 'COMMIT',
      about: { en: 'only this revision of one repository', zh: '只删除某个仓库的这一版本' },
    },
  },
  examples: [
    {
      line: 'tarazed cache rm BAAI/AquilaChat2-7B',
      about: { en: 'one model with all its revisions', zh: '删除一个模型的所有版本' },
    },
  ],
  async run(values, context) {
    const revision = values.text('revision')
    if (revision !== undefined && values.positionals.length > 1)
      throw new UsageFailure({
        en: '--revision is of one repository: name one REPO',
        zh: '--revision 只针对一个仓库：请只给出一个 REPO',
      })
    for (const repo of values.positionals) {
      const freed = await removeFromHubCache({ repo, ...(revision !== undefined && { revision }) })
      context.out.write(
        context.say({ en: `${repo}: freed ${byteSize(freed)}\n`, zh: `${repo}：释放 ${byteSize(freed)}\n` }),
      )
    }
  },
}

function table(repos: readonly CachedRepo[]): string {
  const width = Math.max(...repos.map(({ repo }) => repo.length))
  const lines = repos.flatMap(({ repo, bytes, revisions }) => [
    `${padToColumns(repo, width)}  ${byteSize(bytes).padStart(10)}`,
    ...revisions.map(({ commit, refs, files }) => `  ${commit.slice(0, 12)}  ${refs.join(', ')}  ${files} files`),
  ])
  return `${lines.join('\n')}\n`
}
