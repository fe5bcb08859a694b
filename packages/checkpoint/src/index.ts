/** Reads and writes checkpoints: safetensors, PyTorch .bin, GGUF, GPTQ, AWQ and NF4 packing, streaming and by range. */
export { type Checkpoint, type Metadata, type TensorInfo } from './checkpoint.js'
export {
  byteLengthOf,
  ggufBlockTypes,
  isGgufBlockType,
  isPlainDType,
  layoutOf,
  plainDTypes,
  type BlockLayout,
  type GgufBlockType,
  type PlainDType,
  type StoredDType,
} from './dtype.js'
export { ArgumentError, CheckpointError, type CheckpointErrorFacts } from './errors.js'
export { memoryFolder, type Folder } from './folder.js'
export { readGgufTokenizer, type GgufTokenizer } from './gguf/tokenizer.js'
export { ggufModelFiles, type GgufModelFiles } from './gguf/modelFiles.js'
export { ggufToHfName, hfToGgufName } from './gguf/names.js'
export { openGguf, type GgufCheckpoint, type OpenGgufOptions } from './gguf/open.js'
export { type GgufScalarType, type GgufValue } from './gguf/types.js'
export { httpFolder, type HttpFolderOptions } from './http/httpFolder.js'
export { httpSource, type HttpSourceOptions } from './http/httpSource.js'
export { type HttpOptions } from './http/request.js'
export { parseJsonKeepingDuplicates, type DuplicateKey, type JsonOptions, type JsonWithDuplicates } from './json.js'
export { fromFloat32, toFloat32 } from './numbers/float32.js'
export { openCheckpoint, type OpenCheckpointOptions } from './openCheckpoint.js'
export { openPickle, type OpenPickleOptions } from './pickle/open.js'
export { type PickleMode } from './pickle/unpickler.js'
export { encodeSafetensors } from './safetensors/encode.js'
export { type SafetensorsMetadata } from './safetensors/layout.js'
export { openSafetensors } from './safetensors/open.js'
export { blobSource, bytesSource, type ByteSource } from './source.js'
export { type TensorToWrite } from './tensorToWrite.js'
export { dequantiseAbsmax, dynamicMap, quantiseAbsmax, type QuantisedAbsmax } from './quantised/absmax.js'
export { dequantiseAwq, packAwq, unpackAwq, type AwqTensors } from './quantised/awq.js'
export { dequantiseGptq, packGptq, unpackGptq, type GptqFormat, type GptqTensors } from './quantised/gptq.js'
export { type GroupCodes, type LinearShape } from './quantised/groups.js'
export { dequantiseInt8Rows, quantiseInt8Rows, type Int8Rows } from './quantised/int8.js'
export {
  dequantiseNf4,
  nf4Codebook,
  nf4StateSuffix,
  packNf4,
  parseNf4State,
  quantiseNf4,
  readNf4,
  unpackNf4,
  type Nf4Codes,
  type Nf4State,
  type Nf4Tensors,
  type QuantiseNf4Options,
} from './quantised/nf4.js'
export { writableBlockTypes } from './blocks/quantise.js'
