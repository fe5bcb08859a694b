import { loadTokenizer } from '@tarazed/tokenizer'
import type { Measurements } from '../../bench.js'
import { measureTokenizer, type BenchTokenizer } from '../../measureTokenizer.js'

/** Our tokenizer. */
export function openTokenizer(json: string, config: string): Promise<BenchTokenizer> {
  const files: Readonly<Record<string, string>> = { 'tokenizer.json': json, 'tokenizer_config.json': config }
  return loadTokenizer({ readText: async (name) => files[name] })
}

/** MB/s */
export function measureOurTokenizer(): Promise<Measurements> {
  return measureTokenizer(openTokenizer)
}
