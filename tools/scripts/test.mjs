// npm test -- [vitest filters and flags]: all tests, then the goldens where TARAZED_GOLDENS points to their folder.
// The last line is `N passed, N failed` (with `, N skipped` when some were).
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { CommandError, prepare, root } from './prepare.mjs'
import { addCounts, countsLine, goldenCounts, vitestCounts } from './testCounts.mjs'

/** The folders of goldens that have a runner, each run on every backend. */
const goldenAreas = ['tensor', 'onnx', 'lm']
/** Cases of what is not built yet; they are counted as skipped. */
const goldensToCome = ['lm/lora', 'lm/quantisation', 'lm/aquilamoe', 'lm/aquiladense']
const goldenBackends = ['cpu', 'reference']

const vitestArguments = process.argv.slice(2)
const goldensFolder = process.env.TARAZED_GOLDENS

// In a terminal Ctrl-C reaches the running child too: it ends first, then this process says so.
let interrupted = false
process.on('SIGINT', () => (interrupted = true))

try {
  prepare()
  const counts = addCounts(await runVitest(), await runGoldens())
  if (interrupted) throw new CommandError('interrupted')
  console.log(countsLine(counts))
  process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0
} catch (error) {
  console.error(error instanceof CommandError ? error.message : error)
  process.exitCode = interrupted ? 130 : 1
}

async function runVitest() {
  const folder = mkdtempSync(join(tmpdir(), 'tarazed-test-'))
  const report = join(folder, 'report.json')
  try {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const { status } = await run([vitest, 'run', ...reporters, ...vitestArguments])
    return vitestCounts(existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined, status)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runGoldens() {
  const nothing = { passed: 0, failed: 0, skipped: 0 }
  if (interrupted) return nothing
  if (vitestArguments.length > 0) {
    console.log('\ngoldens: not run, since arguments chose some of the tests')
    return nothing
  }
  if (goldensFolder === undefined || goldensFolder === '') {
    console.log(`\ngoldens (${goldenAreas.join(', ')}): skipped; set TARAZED_GOLDENS to their folder to run them`)
    return { ...nothing, skipped: goldenAreas.length * goldenBackends.length }
  }
  const folders = goldenAreas.map((area) => resolve(goldensFolder, area))
  const filter = goldensToCome.map((name) => `!${name}`).join(',')
  let counts = nothing
  for (const backend of goldenBackends) {
    if (interrupted) break
    console.log(`\ngoldens on ${backend}: ${goldenAreas.join(', ')}`)
    const entry = join(root, 'tools/scripts/goldens.mjs')
    const program = ['--conditions=@tarazed/source', entry, ...folders, '--backend', backend, '--filter', filter]
    const { status, lastLine } = await run(program)
    counts = addCounts(counts, goldenCounts(lastLine, status))
  }
  return counts
}

/** Runs Node with `nodeArguments`, showing what it prints; @returns its exit status and its last non-empty line. */
function run(nodeArguments) {
  return new Promise((resolvePromise, reject) => {
    const child = spawn(process.execPath, nodeArguments, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: environment(),
    })
    let tail = ''
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk)
      tail = (tail + chunk).slice(-4096)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      const lines = tail.split('\n').filter((line) => line.trim() !== '')
      resolvePromise({ status: code ?? 1, lastLine: lines.at(-1) ?? '' })
    })
  })
}

/** A pipe hides the terminal from the child, so its colours are asked for where this process has one. */
function environment() {
  const wantsColor = process.stdout.isTTY && !('NO_COLOR' in process.env) && !('FORCE_COLOR' in process.env)
  return wantsColor ? { ...process.env, FORCE_COLOR: '1' } : process.env
}
