import { project } from '../../tools/scripts/vitestProject.ts'

export default project('lm', { root: new URL('./', import.meta.url) })
