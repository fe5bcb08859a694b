import { project } from '../../tools/scripts/vitestProject.ts'

export default project('checkpoint', { root: new URL('./', import.meta.url) })
