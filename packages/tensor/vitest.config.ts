import { project } from '../../tools/scripts/vitestProject.ts'

export default project('tensor', { root: new URL('./', import.meta.url), needsGenerated: false })
