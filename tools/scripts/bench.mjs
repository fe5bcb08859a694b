// npm run bench -- NAME [--json FILE]: our figures beside those of the peers, which are installed on first use.
import { join } from 'node:path'
import { install, root } from './prepare.mjs'
import { runTypeScript } from './runTypeScript.mjs'

await runTypeScript('tools/bench/src/main.ts', { before: () => install(join(root, 'tools/bench')) })
