// npx tarazed …: the command line, from its sources.
import { runTypeScript } from './runTypeScript.mjs'

await runTypeScript('apps/cli/src/main.ts')
