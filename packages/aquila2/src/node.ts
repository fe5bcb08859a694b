/** Aquila2 on a file system: writing model folders, and verifying them. */
export { savePretrained, type SaveOptions, type ToSave } from './savePretrained.js'
export { verifyFiles, type VerifiedFile } from './verifyFiles.js'
