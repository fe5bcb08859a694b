/**
 * Compiles `assembly/` with AssemblyScript, once plain and once with relaxed SIMD, into `src/generated/routines.ts`.
 *
 *   node scripts/buildWasm.mjs            does nothing when the sources have not changed
 *   node scripts/buildWasm.mjs --force    compiles anyway
 *   node scripts/buildWasm.mjs --text DIR also writes the text format there
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const packageFolder = join(dirname(fileURLToPath(import.meta.url)), '..')
const assemblyFolder = join(packageFolder, 'assembly')
const outputFile = join(packageFolder, 'src', 'generated', 'routines.ts')

const flags = [
  '--runtime',
  'stub',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '1',
  '--maximumMemory',
  '65536',
  '--noAssert',
  '--disableWarning',
  '112',
  '--use',
  'abort=',
  '--optimizeLevel',
  '3',
  '--shrinkLevel',
  '0',
]

function readSources() {
  const names = readdirSync(assemblyFolder).filter((name) => name.endsWith('.ts'))
  return new Map(names.sort().map((name) => [name, readFileSync(join(assemblyFolder, name), 'utf8')]))
}

function fingerprint(sources) {
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)))
  for (const [name, text] of sources) hash.update(name).update('\0').update(text).update('\0')
  return hash.digest('hex').slice(0, 32)
}

function isUpToDate(print) {
  return existsSync(outputFile) && readFileSync(outputFile, 'utf8').startsWith(`// sources ${print}\n`)
}

/** Runs the compiler in memory; returns the binary and the text format. */
async function compile(sources, relaxed) {
  const { default: asc } = await import('assemblyscript/asc')
  const features = relaxed ? 'simd,threads,relaxed-simd' : 'simd,threads'
  const outputs = new Map()
  const command = ['index.ts', '--outFile', 'routines.wasm', '--textFile', 'routines.wat', '--enable', features]
  const { error, stderr } = await asc.main([...command, ...flags], {
    readFile: (name) => sources.get(name) ?? null,
    writeFile: (name, contents) => void outputs.set(name, contents),
    listFiles: () => [],
  })
  const messages = stderr.toString()
  if (error) throw new Error(`buildWasm: the compiler failed\n${messages.slice(0, 4000)}`)
  if (messages) process.stderr.write(messages)
  return { binary: outputs.get('routines.wasm'), text: outputs.get('routines.wat') }
}

/** Position of the limits byte of the memory import: 3 means shared with a maximum, 1 the same without sharing. */
function memoryFlagOffset(binary) {
  const field = Buffer.from('\x03env\x06memory\x02', 'latin1')
  const at = Buffer.from(binary).indexOf(field)
  if (at < 0 || binary[at + field.length] !== 3) throw new Error('buildWasm: no shared memory import in the module')
  return at + field.length
}

function generatedSource(print, plain, relaxed) {
  return `// sources ${print}
// Made by scripts/buildWasm.mjs from assembly/: do not edit.

/** The routine library in base64, for engines without relaxed SIMD. */
export const routinesPlain = '${Buffer.from(plain).toString('base64')}'

/** The routine library in base64, with fused multiply-add and integer dot products of relaxed SIMD. */
export const routinesRelaxed = '${Buffer.from(relaxed).toString('base64')}'

const memoryFlag = { plain: ${memoryFlagOffset(plain)}, relaxed: ${memoryFlagOffset(relaxed)} }
const decoded = new Map<string, Uint8Array>()

/**
 * The bytes of the routine module. It imports \`env.memory\` (at most 65,536 pages; the memory must declare a maximum).
 *
 * @param relaxed the variant that needs relaxed SIMD
 * @param shared false when the memory is not a SharedArrayBuffer (a page that is not cross-origin isolated)
 */
export function routineBytes(relaxed: boolean, shared = true): Uint8Array {
  const key = \`\${relaxed} \${shared}\`
  let bytes = decoded.get(key)
  if (bytes === undefined) {
    bytes = Uint8Array.from(atob(relaxed ? routinesRelaxed : routinesPlain), (character) => character.charCodeAt(0))
    if (!shared) bytes[relaxed ? memoryFlag.relaxed : memoryFlag.plain] = 1
    decoded.set(key, bytes)
  }
  return bytes
}
`
}

/** Writes beside the target first, so that a reader never sees half a file. */
function writeWhole(file, text) {
  mkdirSync(dirname(file), { recursive: true })
  const partial = `${file}.${process.pid}.partial`
  writeFileSync(partial, text)
  renameSync(partial, file)
}

const sources = readSources()
const print = fingerprint(sources)
const textAt = process.argv.indexOf('--text')
if (textAt < 0 && !process.argv.includes('--force') && isUpToDate(print)) process.exit(0)

const started = performance.now()
const plain = await compile(sources, false)
const relaxed = await compile(sources, true)
for (const variant of [plain, relaxed]) {
  if (!WebAssembly.validate(variant.binary) && variant === plain) throw new Error('buildWasm: invalid module')
}
writeWhole(outputFile, generatedSource(print, plain.binary, relaxed.binary))
if (textAt >= 0) {
  writeWhole(join(process.argv[textAt + 1], 'plain.wat'), plain.text)
  writeWhole(join(process.argv[textAt + 1], 'relaxed.wat'), relaxed.text)
}
const seconds = ((performance.now() - started) / 1000).toFixed(1)
console.log(`buildWasm: ${plain.binary.length} and ${relaxed.binary.length} bytes in ${seconds} s`)
