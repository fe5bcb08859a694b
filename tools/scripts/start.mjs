// npm start -- [flags]: the main job, from text to a trained model that answers.
import { runTypeScript } from './runTypeScript.mjs'

await runTypeScript('recipes/start.ts')
