import { type Options, defineConfig } from 'tsup'

/**
 * How every package is built: one ES module and one declaration file per entry, shared code in chunks, for Node and
 * browsers alike. Dependencies stay imports; generated sources (WebAssembly, workers) are inlined.
 */
export function library(entry: Readonly<Record<string, string>>, options: Options = {}) {
  return defineConfig({
    entry: { ...entry },
    format: ['esm'],
    platform: 'neutral',
    target: 'es2022',
    external: [/^node:/],
    removeNodeProtocol: false,
    splitting: true,
    treeshake: true,
    sourcemap: true,
    clean: true,
    // Types of our other packages come from their build, which is done first, rather than from their sources.
    dts: { compilerOptions: { customConditions: [] } },
    ...options,
  })
}
