/**
 * Real sizes without real weights. Writes a random checkpoint of a published shape, cuts it into other shards, reads it
 * back and compares every byte, then runs one forward step of a layer of that shape. Prints the peak of memory.
 *
 *     npx tsx --conditions=@tarazed/source recipes/realSize.ts --dir real-size
 *
 * The 7B needs 30 GB of disk in `--dir` and takes some minutes; what it writes is removed at the end. `--model tiny` is quick.
 */
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { configs, estimate, type ConfigName } from '@tarazed/aquila2'
import { differences, reshard, writeRandom } from './realSize/randomCheckpoint.js'
import { layerForward } from './realSize/layerForward.js'

const GIB = 2 ** 30

/** What to do. */
export interface RealSizeOptions {
  readonly dir: string
  readonly model: ConfigName
  /** Most bytes of a shard as written first; the second time half of it. */
  readonly maxShardBytes: number
  /** Tokens of the forward step. */
  readonly tokens: number
}

/** Runs both parts. @returns what was wrong; empty when nothing was */
export async function realSize(options: RealSizeOptions, print: (line: string) => void): Promise<readonly string[]> {
  const { dir, model, maxShardBytes, tokens } = options
  const config = configs[model]
  const { parameters, weights } = estimate(config, { dtype: 'bf16' })
  print(`${model}: ${parameters.total} parameters, ${gib(weights.bytes)} in bf16`)

  const folders = [join(dir, 'written'), join(dir, 'resharded')]
  const problems: string[] = []
  try {
    await timed('written', print, () => writeRandom(folders[0], config, maxShardBytes))
    await timed('re-sharded', print, () => reshard(folders[0], folders[1], maxShardBytes / 2))
    problems.push(...(await timed('read back', print, () => differences(folders[1], config))))
    print(problems.length === 0 ? 'every byte is as written' : problems.join('\n'))
  } finally {
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
  }
  print(`peak memory of the checkpoint part: ${gib(peakBytes())}`)

  const step = await layerForward(config, tokens)
  print(
    `one layer, ${step.parameters} parameters in f32, ${tokens} tokens: ${step.milliseconds.toFixed(0)} ms, ${step.gflops.toFixed(1)} GFLOP/s`,
  )
  if (!step.isFinite) problems.push('the forward step gave numbers that are not finite')
  print(`peak memory with the layer: ${gib(peakBytes())}`)
  return problems
}

async function timed<T>(what: string, print: (line: string) => void, run: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const result = await run()
  print(`${what} in ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return result
}

/** Largest resident memory of this process so far. */
function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(2)} GiB`
}

function readOptions(): RealSizeOptions {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string', default: join(tmpdir(), 'tarazed-real-size') },
      model: { type: 'string', default: 'aquila2-7b' },
      tokens: { type: 'string', default: '16' },
      'max-shard-gb': { type: 'string', default: '5' },
    },
  })
  if (!Object.hasOwn(configs, values.model))
    throw new Error(`--model is one of ${Object.keys(configs).join(', ')}, got ${values.model}`)
  const numbers = { tokens: Number(values.tokens), shard: Number(values['max-shard-gb']) }
  if (!Number.isInteger(numbers.tokens) || numbers.tokens < 1 || !(numbers.shard > 0))
    throw new Error(
      `--tokens and --max-shard-gb are positive numbers, got ${values.tokens} and ${values['max-shard-gb']}`,
    )
  return {
    dir: values.dir,
    model: values.model as ConfigName,
    tokens: numbers.tokens,
    maxShardBytes: numbers.shard * 1e9,
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = await realSize(readOptions(), (line) => console.log(line))
  process.exitCode = problems.length === 0 ? 0 : 1
}
