import { project } from '../../tools/scripts/vitestProject.ts'

export default project('kernels-cpu', { root: new URL('./', import.meta.url) })
