import { project } from '../../tools/scripts/vitestProject.ts'

export default project('heurimentor', { root: new URL('./', import.meta.url) })
