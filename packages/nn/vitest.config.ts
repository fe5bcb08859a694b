import { project } from '../../tools/scripts/vitestProject.ts'

export default project('nn', { root: new URL('./', import.meta.url) })
