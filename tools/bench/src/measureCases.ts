/** Several cases of a bench in one process: one that cannot run is named with its reason, and the others still run. */
import type { Measurements } from './bench.js'

export async function measureCases(
  cases: readonly (readonly [name: string, measure: () => Promise<number>])[],
): Promise<Measurements> {
  const results: Record<string, Measurements[string]> = {}
  for (const [name, measure] of cases) {
    try {
      results[name] = await measure()
    } catch (error) {
      results[name] = { reason: error instanceof Error ? error.message.split('\n')[0] : String(error) }
    }
  }
  return results
}
