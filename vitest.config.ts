import { defineConfig } from 'vitest/config'
import { project } from './tools/scripts/vitestProject.ts'

/** Every test of the repository, one project per folder that has tests. Packages resolve to their sources. */
export default defineConfig({
  test: {
    projects: [
      'packages/*/vitest.config.ts',
      project('tools', { root: new URL('./', import.meta.url), include: ['tools/*/test/**/*.test.{ts,mjs}'] }),
      project('recipes', { root: new URL('./recipes/', import.meta.url) }),
    ],
  },
})
