/** Models of the Hugging Face hub as folders, for pages: pinned to commits, kept in the Cache API part by part. */
import { checkedOptions, openHubFolder, type HubFolder, type HubOptions } from './hub/hubFolder.js'
import { pageHubCache } from './hub/pageCache.js'

export { type DownloadProgress, type HubCache, type RemoteFile, type RepoCommit } from './hub/hubCache.js'
export { type HubFolder, type HubOptions } from './hub/hubFolder.js'
export { pageHubCache, type PageStorage } from './hub/pageCache.js'

/** Options of {@link hubFolder}. */
export interface HubFolderOptions extends HubOptions {
  /** Of no use in pages, which have the Cache API. */
  readonly cacheDir?: string
}

/**
 * Opens a repository of models at one commit. Parts of files are downloaded when they are read, and kept.
 * @throws CheckpointError when the repository or revision is unknown, or offline and not in the cache
 */
export async function hubFolder(options: HubFolderOptions): Promise<HubFolder> {
  const { cacheDir: _, ...others } = checkedOptions(options)
  return openHubFolder(others, pageHubCache())
}
