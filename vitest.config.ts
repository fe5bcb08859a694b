import { defineConfig } from 'vitest/config'
import { project } from './tools/scripts/vitestProject.ts'

const here = new URL('./', import.meta.url)

/** Every test of the repository, one project per folder that has tests. Packages resolve to their sources. */
export default defineConfig({
  test: {
    projects: [
      'packages/*/vitest.config.ts',
      'apps/*/vitest.config.ts',
      project('scripts', {
        root: here,
        include: ['tools/{scripts,packcheck}/test/**/*.test.ts'],
        needsGenerated: false,
      }),
      project('tools', { root: here, include: ['tools/{goldens,bench}/test/**/*.test.ts'] }),
      project('recipes', { root: new URL('./recipes/', import.meta.url) }),
    ],
  },
})
