/** Files and folders on a disk, and the writers of checkpoints. For Node. */
export { diskFolder, fileSource } from './node/fileSource.js'
export { replaceFile, type FileContent } from './node/replaceFile.js'
export { writeSafetensors } from './node/writeSafetensors.js'
export { writeShardedSafetensors, type WriteProgress, type WriteShardedOptions } from './node/writeSharded.js'
export { writeGguf } from './node/writeGguf.js'
export { type GgufMetadata } from './gguf/encode.js'
