/** Files and folders on a disk, and the writers of checkpoints. For Node. */
export { diskFolder, fileSource } from './node/fileSource.js'
export { makeFolder } from './node/makeFolder.js'
export { replaceFile, type FileContent } from './node/replaceFile.js'
export { writeSafetensors } from './node/writeSafetensors.js'
export { writeShardedSafetensors, type WriteProgress, type WriteShardedOptions } from './node/writeSharded.js'
export { writeGguf } from './node/writeGguf.js'
export { type GgufMetadata } from './gguf/encode.js'
export { convertCheckpoint, type Converted, type ConvertOptions } from './node/convertCheckpoint.js'
export { type TargetDType } from './convert/dtypes.js'
export { type TextFiles } from './convert/ggufMetadata.js'
export { diskHubCache, hubCacheDir } from './node/diskHubCache.js'
export {
  listHubCache,
  removeFromHubCache,
  type CachedRepo,
  type CachedRevision,
  type RemoveFromHubCacheOptions,
} from './node/hubCacheFiles.js'
