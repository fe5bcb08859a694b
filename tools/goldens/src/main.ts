/** `npm run goldens -- DIR…`: see docs/goldens.md. */
import { goldens } from './goldens.js'

process.exitCode = await goldens(process.argv.slice(2))
