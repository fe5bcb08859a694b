import { fileURLToPath } from 'node:url'
import type { TestProjectInlineConfiguration } from 'vitest/config'

const conditions = ['@tarazed/source', 'node', 'import', 'module', 'default']

/** One vitest project whose `@tarazed/*` imports resolve to TypeScript sources, so that tests need no build. */
export function project(
  name: string,
  options: { readonly root: URL; readonly include?: readonly string[]; readonly needsGenerated?: boolean },
): TestProjectInlineConfiguration {
  return {
    root: fileURLToPath(options.root),
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: {
      name,
      include: [...(options.include ?? ['test/**/*.test.ts', 'src/**/*.test.ts'])],
      exclude: ['**/node_modules/**', '**/dist/**'],
      globalSetup: options.needsGenerated === false ? [] : [fileURLToPath(new URL('./generate.mjs', import.meta.url))],
      testTimeout: 60_000,
      hookTimeout: 60_000,
    },
  }
}
