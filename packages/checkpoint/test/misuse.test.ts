import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as browser from '../src/index.js'
import * as hub from '../src/hub.js'
import * as node from '../src/node.js'

/** Below a file, so that nothing can be created there. */
const nowhere = join(fileURLToPath(import.meta.url), 'nowhere')

const { ArgumentError, CheckpointError } = browser

/** Arguments that plain JavaScript might give by mistake. */
const junk: readonly (readonly unknown[])[] = [
  [],
  [null],
  [3],
  ['no such thing'],
  [{}],
  [[]],
  [new Uint8Array(3)],
  [new Float32Array(3)],
  [null, null],
  ['x', null],
  ['x', 3, null],
  [{}, {}, {}],
  [new Uint8Array(4), 'F33'],
  [new Float32Array(4), null],
  [new Float32Array(4), -1],
  ['name', new Float32Array(4), 'shape'],
  [{ inFeatures: 8, outFeatures: 8 }],
  [{ inFeatures: 8, outFeatures: 8, qweight: [1], groupSize: 'x' }],
  [nowhere, [{ name: 'w' }]],
  [nowhere, 'tensors'],
  [nowhere, [], { maxShardBytes: 'x' }],
  [nowhere, [], { metadata: 3 }],
  [nowhere, [], null],
]

/** Errors of the caller's are the package's own classes, thrown or rejected. */
async function outcome(run: () => unknown): Promise<unknown> {
  try {
    await run()
    return undefined
  } catch (error) {
    return error instanceof ArgumentError || error instanceof CheckpointError ? undefined : error
  }
}

describe('every exported function answers misuse with an error that teaches', () => {
  const functions = Object.entries({ ...browser, ...node, ...hub }).filter(
    ([name, value]) => typeof value === 'function' && !name.endsWith('Error'),
  )
  for (const [name, value] of functions) {
    it(name, async () => {
      for (const args of junk) {
        if (name === 'diskHubCache' || name === 'pageHubCache') continue
        if (name === 'makeFolder' && typeof args[0] === 'string') continue // right, and it would make it
        const error = await outcome(() => (value as (...all: readonly unknown[]) => unknown)(...args))
        expect({ args, error: error === undefined ? undefined : String(error) }).toEqual({ args, error: undefined })
      }
    })
  }
})

it('methods of a checkpoint and of folders do so too', async () => {
  const folder = browser.memoryFolder('m', { 'model.safetensors': await browser.encodeSafetensors([]) })
  const checkpoint = await browser.openCheckpoint(folder)
  const calls = [
    () => checkpoint.read(undefined as never),
    () => checkpoint.readRows('w', 0, 1),
    () => checkpoint.stream('w'),
    () => checkpoint.stream(3 as never, null as never),
    () => folder.open(null as never),
    () => folder.readText(3 as never),
    () => browser.bytesSource('b', new Uint8Array(4)).read('a' as never, 1),
    () => node.diskFolder('/').open('../x'),
  ]
  for (const call of calls) expect(String(await outcome(call))).toBe('undefined')
})

it('none of these calls has written a file', async () => {
  const names = await readdir(process.cwd())
  expect(names.filter((name) => ['name', 'x', 'no such thing'].includes(name))).toEqual([])
})
