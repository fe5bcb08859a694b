/** Models of the Hugging Face hub as folders: pinned to commits, resumed, kept in the cache that other tools share. */
import { checkedOptions, openHubFolder, type HubFolder, type HubOptions } from './hub/hubFolder.js'
import { diskHubCache } from './node/diskHubCache.js'

export { type DownloadProgress, type HubCache, type RemoteFile, type RepoCommit } from './hub/hubCache.js'
export { type HubFolder, type HubOptions } from './hub/hubFolder.js'
export { pageHubCache, type PageStorage } from './hub/pageCache.js'

/** Options of {@link hubFolder}. */
export interface HubFolderOptions extends HubOptions {
  /** Default: what HF_HUB_CACHE, HF_HOME or the home folder say, as in Python. Pages have the Cache API instead. */
  readonly cacheDir?: string
}

/**
 * Opens a repository of models at one commit. Files are downloaded when they are opened and kept in the cache folder of
 * the hub's tools, whose hashes are checked; interrupted downloads go on where they were.
 *
 * @throws CheckpointError when the repository or revision is unknown, or offline and not in the cache
 */
export async function hubFolder(options: HubFolderOptions): Promise<HubFolder> {
  const { cacheDir, ...others } = checkedOptions(options)
  return openHubFolder(others, diskHubCache(cacheDir))
}
