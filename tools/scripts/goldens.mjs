// npm run goldens -- DIR… [--backend cpu|reference] [--filter 'a,!b'] [--list]
import { runTypeScript } from './runTypeScript.mjs'

await runTypeScript('tools/goldens/src/main.ts')
