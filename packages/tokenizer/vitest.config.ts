import { project } from '../../tools/scripts/vitestProject.ts'

export default project('tokenizer', { root: new URL('./', import.meta.url) })
