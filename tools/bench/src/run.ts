/** Runs a bench: every engine in a process of its own, the processes one after the other, twice, best of both. */
import { spawn } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Bench, Engine, Measurements, Result } from './bench.js'
import { betterOf, makeRow } from './rows.js'

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
/** An engine that has not finished a bench after this time is given up. */
const TIMEOUT_MS = 600_000
/** One f32x4.relaxed_madd. */
const RELAXED_PROBE = '0061736d0100000001080160037b7b7b017b030201000a0d010b00200020012002fd85020b'

export interface RunOptions {
  readonly repeats: number
  /** Milliseconds that a case may be timed for; default: what the bench takes. */
  readonly budgetMs?: number
  readonly progress: (text: string) => void
}

export async function runBench(bench: Bench, options: RunOptions): Promise<Result> {
  const engines = new Map<string, Engine>()
  for (const row of bench.rows) for (const engine of [row.ours, ...row.peers]) engines.set(engine.name, engine)
  const found = new Map<string, Measurements>()
  const repeats = bench.repeats ?? options.repeats
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const engine of engines.values()) {
      options.progress(`${bench.name}: ${engine.name} (${repeat + 1}/${repeats})`)
      const measured = await measureIn(engine, engine.measure ?? bench.name, options.budgetMs)
      found.set(engine.name, betterOf(found.get(engine.name), measured, bench))
    }
  }
  return { name: bench.name, machine: machine(), rows: bench.rows.map((row) => makeRow(row, found)) }
}

/** Flags that give a process relaxed SIMD: Node 20 needs one, later versions have it anyway and refuse the flag. */
function relaxedFlags(): string[] {
  return WebAssembly.validate(Buffer.from(RELAXED_PROBE, 'hex')) ? [] : ['--experimental-wasm-relaxed-simd']
}

function measureIn(engine: Engine, measure: string, budgetMs: number | undefined): Promise<Measurements> {
  const { startRelaxed = false, ...options } = engine.options
  const args = [
    ...(startRelaxed ? relaxedFlags() : []),
    '--import',
    import.meta.resolve('tsx'),
    '--conditions=@tarazed/source',
    CHILD,
    engine.module,
    measure,
    JSON.stringify({ ...options, budgetMs }),
  ]
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    const timer = setTimeout(() => child.kill(), TIMEOUT_MS)
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.on('close', (code) => {
      clearTimeout(timer)
      const line = output.split('\n').find((candidate) => candidate.startsWith('RESULT '))
      if (line !== undefined) return resolve(JSON.parse(line.slice('RESULT '.length)) as Measurements)
      const ending = code === null ? `given up after ${TIMEOUT_MS / 1000} s` : `the process ended with code ${code}`
      const reason = errors.split('\n').find((text) => /Error/.test(text)) ?? ending
      resolve({ '*': { reason: reason.trim() } })
    })
  })
}

function machine(): string {
  return `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.versions.node}`
}
