import { project } from '../../tools/scripts/vitestProject.ts'

export default project('aquila2', { root: new URL('./', import.meta.url) })
