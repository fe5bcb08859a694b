/** Text to ids and back: byte-level BPE and unigram, training, streaming decoding. */
export { TokenizerError, type TokenizerErrorKind, type TokenizerErrorOptions } from './errors.js'
export { tokenizerFromGguf, type GgufMetadata, type GgufTokens } from './load/gguf.js'
export { loadTokenizer, type LoadOptions, type TokenizerFiles } from './load/loadTokenizer.js'
export {
  tokenReport,
  type LanguageReport,
  type ReportLanguage,
  type TokenReport,
  type TokenReportOptions,
} from './report.js'
export {
  type DecodeOptions,
  type EncodeOptions,
  type Encoding,
  type Span,
  type Tokenizer,
  type TokenStream,
} from './tokenizer.js'
export { trainBpe, type BpeProgress, type TrainBpeOptions, type TrainedBpe } from './train/trainBpe.js'
