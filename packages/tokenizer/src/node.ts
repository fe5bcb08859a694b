/** Tokenizers and texts of the file system. */
export { loadTokenizerFolder } from './node/loadTokenizerFolder.js'
export { readTexts, type ReadTextsOptions } from './node/readTexts.js'
