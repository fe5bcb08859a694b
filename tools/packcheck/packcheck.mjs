// npm run check:packed: installs the tarballs of all published packages into an empty project outside the workspace and
// uses them from there as a user would: imported by Node, by TypeScript (both resolutions) and by a Vite bundle, which
// then runs in a Chromium where there is one. Build first.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { build } from 'vite'
import { findChromium, openPage } from './browser.mjs'
import { entrySpecifiers, pack, publishedPackages, root, runOrThrow } from './packages.mjs'

const packages = publishedPackages()
const specifiers = packages.flatMap(({ manifest }) => entrySpecifiers(manifest))
const exampleResult = { loss: 0.5, gradient: [-1, 0, 3], learned: true }
const project = realpathSync(mkdtempSync(join(tmpdir(), 'tarazed-packcheck-')))

const checks = [
  ['install the tarballs', installTarballs],
  ['contents of the installed packages', checkContents],
  ['import from Node', importFromNode],
  ['run the example in Node', runExample],
  ['run the command', runCommand],
  ['TypeScript, moduleResolution bundler', () => typecheck('ESNext', 'bundler')],
  ['TypeScript, moduleResolution node16', () => typecheck('Node16', 'node16')],
  ['Vite bundle', bundle],
  ['the bundle in Chromium, cross-origin isolated', () => runInBrowser({ isolated: true })],
  ['the bundle in Chromium, not isolated', () => runInBrowser({ isolated: false })],
]

/** Thrown by a check that cannot be made here. */
class Skipped extends Error {}

let failed = 0
try {
  for (const [name, check] of checks) {
    try {
      await check()
      console.log(`ok     ${name}`)
    } catch (error) {
      if (error instanceof Skipped) {
        console.log(`skip   ${name}: ${error.message}`)
        continue
      }
      failed += 1
      console.log(`FAILED ${name}\n${error.message}`)
      if (check === installTarballs) break
    }
  }
} finally {
  if (process.env.TARAZED_KEEP === undefined) rmSync(project, { recursive: true, force: true })
  else console.log(`kept ${project}`)
}
process.exitCode = failed > 0 ? 1 : 0

function installTarballs() {
  const tarballs = join(project, 'tarballs')
  mkdirSync(tarballs)
  const dependencies = {}
  for (const { folder, manifest } of packages) {
    dependencies[manifest.name] = `file:tarballs/${basename(pack(folder, tarballs))}`
  }
  write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module', dependencies }, undefined, 2))
  runOrThrow('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], project)
  cpSync(join(root, 'tools/packcheck/consumer'), project, { recursive: true })
}

/** Nothing that belongs to the workspace alone may be in a package; nothing that a strict page forbids may be in its code. */
function checkContents() {
  const problems = []
  for (const { manifest } of packages) {
    const folder = join(project, 'node_modules', manifest.name)
    for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md', 'dist', 'package.json']) {
      if (!readdirSync(folder).includes(name)) problems.push(`${manifest.name}: ${name} is missing`)
    }
    for (const name of readdirSync(folder, { recursive: true })) {
      if (/\.test\.ts$|(^|\/)test\//.test(name)) problems.push(`${manifest.name}: ${name} should not be packed`)
      if (!/^dist\/.*\.js$/.test(name)) continue
      const code = readFileSync(join(folder, name), 'utf8')
      if (/\beval\(|new Function\(/.test(code)) problems.push(`${manifest.name}: ${name} evaluates text as code`)
    }
    const scripts = Object.keys(manifest.scripts ?? {}).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))
    if (scripts.length > 0) problems.push(`${manifest.name}: has install scripts (${scripts.join(', ')})`)
  }
  if (problems.length > 0) throw new Error(problems.join('\n'))
}

function importFromNode() {
  const lines = specifiers.map((specifier, i) => `import * as entry${i} from '${specifier}'`)
  const entries = specifiers.map((specifier, i) => `['${specifier}', entry${i}]`)
  lines.push(
    `for (const [name, entry] of [${entries.join(', ')}]) {`,
    '  if (Object.keys(entry).length === 0) throw new Error(`${name} exports nothing`)',
    '}',
  )
  write('importAll.mjs', lines.join('\n'))
  runOrThrow(process.execPath, ['importAll.mjs'], project)
}

function runExample() {
  assertExample(JSON.parse(runOrThrow(process.execPath, ['node.js'], project)))
}

/** The installed command finds that the CPU engine works. */
function runCommand() {
  const output = runOrThrow('npx', ['--no-install', 'tarazed', 'doctor', '--json'], project)
  const { backends } = JSON.parse(output)
  assert.ok(
    backends.some(({ backend, works }) => backend === 'cpu' && works),
    output,
  )
}

/** The example's result, which every environment must reach. */
function assertExample(result) {
  assert.deepEqual(result, exampleResult)
}

function typecheck(module, moduleResolution) {
  const imports = specifiers.map((specifier, i) => `import type * as entry${i} from '${specifier}'`)
  const uses = specifiers.map((_, i) => `export type Keys${i} = keyof typeof entry${i}`)
  write('importAll.ts', [...imports, ...uses].join('\n'))
  const compilerOptions = {
    target: 'ES2022',
    lib: ['ES2023', 'DOM'],
    types: [],
    module,
    moduleResolution,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    allowJs: true,
    checkJs: true,
  }
  write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['importAll.ts', 'example.js'] }))
  runOrThrow(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.'], project)
}

async function bundle() {
  const warnings = []
  await build({
    root: project,
    configFile: false,
    logLevel: 'silent',
    build: {
      target: 'es2022',
      rollupOptions: { onwarn: (warning) => warnings.push(warning.message) },
    },
  })
  const assets = join(project, 'dist/assets')
  const scripts = readdirSync(assets).filter((name) => name.endsWith('.js'))
  if (scripts.length === 0) throw new Error('the bundle has no script')
  const serious = warnings.filter((text) => !text.includes('has been externalized for browser compatibility'))
  if (serious.length > 0) throw new Error(serious.join('\n'))
}

async function runInBrowser({ isolated }) {
  const chromium = findChromium()
  if (chromium === undefined) throw new Skipped('no Chromium here; TARAZED_CHROMIUM may name one')
  const report = await openPage(chromium, join(project, 'dist'), { isolated })
  if (report.error !== undefined) throw new Error(report.error)
  assertExample(report.value.example)
  assertLively(report.value.lively, isolated)
}

/** One long program ran while the page stayed alive; a page that is blocked sees no tick at all until the end. */
function assertLively(lively, isolated) {
  const text = JSON.stringify(lively)
  assert.equal(lively.isolated, isolated, text)
  assert.equal(
    lively.warning === undefined,
    isolated,
    `a warning where there is no shared memory, and only there: ${text}`,
  )
  assert.ok(lively.finite && lively.programs === 1 && lively.milliseconds >= 300, `one program of 300 ms: ${text}`)
  assert.ok(lively.ticks >= 5 && lively.frames >= 1, `the page must not be blocked: ${text}`)
}

function write(name, text) {
  writeFileSync(join(project, name), text)
}
