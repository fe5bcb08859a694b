import { project } from '../../tools/scripts/vitestProject.ts'

export default project('cli', { root: new URL('./', import.meta.url) })
