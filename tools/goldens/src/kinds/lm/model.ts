/**
 * Folders `aquila2-*`: a model and what it computes. A folder has the cases that its stored results allow: logits always,
 * then loss, hidden states, caches, greedy decoding, bf16 arithmetic, rotary frequencies, gradients, training; and every
 * model is saved and read back.
 */
import { type Aquila2, parseConfig, ropeFrequencies, ropeScaling } from '@tarazed/aquila2'
import { openCheckpoint } from '@tarazed/checkpoint'
import { type Tensor, scalar } from '@tarazed/tensor'
import { type Area } from '../../areas.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type Machine } from '../../backends.js'
import { type CaseContext, type GoldenCase } from '../../case.js'
import { compareNumbers, type Tolerance } from '../../compare.js'
import { numberOf, numbersOf, type HostTensor } from '../../hostTensor.js'
import { tensorOf } from '../../stored.js'
import { decodeCached, decodeWhole, matrix } from './decoding.js'
import { hasTensor, loadFolder, modelFolder, ModelShelf, storedMask, storedTensor } from './modelFolder.js'
import { differenceOfFolders, withWrittenFolder } from './roundTrip.js'
import { FREQUENCIES, LOGITS, LOSS, NARROW_LOGITS } from './tolerances.js'
import { runGradients, runTraining } from './training.js'

/** expected.json of a model folder. */
interface Expected {
  readonly loss?: number
  readonly loss_tokens?: number
  readonly greedy?: Greedy
  readonly greedy_left_padded?: PaddedGreedy
  readonly training?: Readonly<Record<string, unknown>>
  readonly rope_scaling?: unknown
  readonly base_at_full_length?: number
  readonly duplicate_key?: string
  readonly same_weights_as?: string
  readonly ignore_tensors?: readonly string[]
  readonly shards?: number
}

interface Greedy {
  readonly prompt: readonly number[]
  readonly continuation: readonly number[]
}

interface PaddedGreedy {
  readonly input_ids: readonly (readonly number[])[]
  readonly attention_mask: readonly (readonly number[])[]
  readonly continuation: readonly (readonly number[])[]
}

type Run = (context: CaseContext) => Promise<string | null>

/** One case per kind of stored result. */
export function cases(_area: Area, files: AreaFiles): GoldenCase[] {
  const shelf = new ModelShelf(files)
  const folders = files
    .list()
    .filter((file) => /^aquila2-[^/]+\/expected\.json$/.test(file))
    .map((file) => file.split('/')[0])
  return folders.flatMap((folder) => casesOf(folder, files, shelf))
}

function casesOf(folder: string, files: AreaFiles, shelf: ModelShelf): GoldenCase[] {
  const expected = files.json(`${folder}/expected.json`) as Expected
  const present = files.list().filter((file) => file.startsWith(`${folder}/`) && file.split('/').length === 2)
  const has = (name: string): boolean => hasTensor(files, folder, name)
  const hasFile = (file: string): boolean => present.includes(`${folder}/${file}`)
  const found: GoldenCase[] = []
  const add = (id: string, isStored: boolean, run: Run): void => {
    if (isStored) found.push({ id, op: folder, sources: present.map((file) => ({ file })), run })
  }
  add('logits', true, (context) => runLogits(folder, shelf, context))
  add('loss', expected.loss !== undefined, (context) => runLoss(folder, expected, shelf, context))
  add('hidden', has('hidden.0'), (context) => runHidden(folder, shelf, context))
  add('cache', has('cache.0.key'), (context) => runCache(folder, shelf, context))
  add('short', has('short.logits'), (context) => runLogits(folder, shelf, context, 'short.'))
  add('greedy', expected.greedy !== undefined, (context) => runGreedy(folder, expected.greedy!, shelf, context))
  add('greedy-left-padded', expected.greedy_left_padded !== undefined, (context) =>
    runPaddedGreedy(folder, expected.greedy_left_padded!, shelf, context),
  )
  add('bf16', has('logits_bf16_arithmetic'), (context) => runNarrow(folder, context))
  add('frequencies', expected.rope_scaling !== undefined, (context) => runFrequencies(folder, expected, context))
  add('duplicate-key', expected.duplicate_key !== undefined, (context) => runDuplicateKey(folder, context))
  add('gradients', hasFile('gradients.safetensors'), (context) => runGradients(folder, shelf, context))
  for (const decay of ['decay_all', 'decay_matrices_only'] as const)
    add(`training-${decay}`, expected.training?.[decay] !== undefined, (context) =>
      runTraining(folder, decay, shelf, context),
    )
  add('same-weights', expected.same_weights_as !== undefined, (context) => runSameWeights(folder, expected, context))
  add('written', true, (context) => runWritten(folder, context))
  return found
}

async function runLogits(folder: string, shelf: ModelShelf, context: CaseContext, prefix = ''): Promise<string | null> {
  return compareLogits(folder, await shelf.model(folder), context, prefix)
}

async function compareLogits(
  folder: string,
  model: Aquila2,
  { machine, files }: CaseContext,
  prefix = '',
): Promise<string | null> {
  const mask = prefix === '' ? storedMask(files, folder) : undefined
  const logits = model.forward(storedTensor(files, folder, `${prefix}input_ids`), { mask })
  const want = files.tensor(`${folder}/expected.safetensors`, `${prefix}logits`)
  return compareReal('logits', machine, logits, want, await realPlaces(machine, mask))
}

/** Whether a place [b, t] of the batch holds a real token; outputs at others are undefined. */
async function realPlaces(machine: Machine, mask: Tensor | undefined): Promise<(place: number) => boolean> {
  if (mask === undefined) return () => true
  const [host] = await machine.read([mask])
  const real = numbersOf(host)
  return (place) => real[place] !== 0
}

/** Compares [B, T, ...] where tokens are real. */
async function compareReal(
  label: string,
  machine: Machine,
  got: Tensor,
  want: HostTensor,
  isReal: (place: number) => boolean,
  tolerance: Tolerance = LOGITS,
): Promise<string | null> {
  const [host] = await machine.read([got])
  if (host.shape.join() !== want.shape.join())
    return `${label}: got [${host.shape.join(', ')}], want [${want.shape.join(', ')}]`
  const width = want.shape.slice(2).reduce((product, extent) => product * extent, 1)
  const exempt = (element: number): boolean => !isReal(Math.floor(element / width))
  return compareNumbers(label, want.shape, numbersOf(host), numbersOf(want), { tolerance, exempt })
}

async function runLoss(
  folder: string,
  expected: Expected,
  shelf: ModelShelf,
  { machine, files }: CaseContext,
): Promise<string | null> {
  const model = await shelf.model(folder)
  const [ids, labels] = [storedTensor(files, folder, 'input_ids'), storedTensor(files, folder, 'labels')]
  const mask = storedMask(files, folder)
  const counted = labels
    .slice([null, [1, null]])
    .notEqual(-100)
    .cast('i32')
    .sum()
  const results = await machine.read([model.loss(ids, labels, { mask }), counted])
  const [loss, tokens] = results.map(numberOf)
  if (expected.loss_tokens !== undefined && tokens !== expected.loss_tokens)
    return `got ${tokens} labels that count, want ${expected.loss_tokens}`
  return compareNumbers('loss', [1], [loss], [expected.loss ?? NaN], { tolerance: LOSS })
}

async function runHidden(folder: string, shelf: ModelShelf, { machine, files }: CaseContext): Promise<string | null> {
  const model = await shelf.model(folder)
  const mask = storedMask(files, folder)
  const isReal = await realPlaces(machine, mask)
  const { hidden, beforeNorm } = model.hiddenStates(storedTensor(files, folder, 'input_ids'), { mask })
  const { num_hidden_layers: layers } = model.config
  if (hidden.length !== layers + 1) return `got ${hidden.length} hidden states, want ${layers + 1}`
  const named = [
    ...hidden.map((state, k) => [`hidden.${k}`, state] as const),
    ['hidden_last_before_norm', beforeNorm] as const,
  ]
  for (const [name, state] of named) {
    const finding = await compareReal(
      name,
      machine,
      state,
      files.tensor(`${folder}/expected.safetensors`, name),
      isReal,
    )
    if (finding !== null) return finding
  }
  return null
}

/** Keys and values after the whole batch was read into a cache that is larger. */
async function runCache(folder: string, shelf: ModelShelf, { machine, files }: CaseContext): Promise<string | null> {
  const model = await shelf.model(folder)
  const ids = storedTensor(files, folder, 'input_ids')
  const [B, T] = ids.shape
  const mask = storedMask(files, folder)
  const isReal = await realPlaces(machine, mask)
  const capacity = T + 3
  const rows = Array.from({ length: B }, (_, b) =>
    Array.from({ length: capacity }, (_, t) => (t < T && isReal(b * T + t) ? 1 : 0)),
  )
  const positions = matrix(Array.from({ length: B }, () => Array.from({ length: T }, (_, t) => t)))
  const { cache } = model.forwardCached(ids, model.emptyCache({ batch: B, capacity }), {
    start: scalar(0, { dtype: 'i32' }),
    positions,
    mask: matrix(rows).notEqual(0),
  })
  for (const [layer, { k, v }] of cache.entries())
    for (const [name, value] of [
      ['key', k],
      ['value', v],
    ] as const) {
      // [B, G, capacity, D] -> [B, T, G, D], so that places are [B, T] as elsewhere.
      const got = value.slice([null, null, [0, T]]).swapAxes(1, 2)
      const want = files.tensor(`${folder}/expected.safetensors`, `cache.${layer}.${name}`)
      const [turned] = await machine.read([tensorOf(want).swapAxes(1, 2)])
      const finding = await compareReal(`cache.${layer}.${name}`, machine, got, turned, isReal)
      if (finding !== null) return finding
    }
  return null
}

async function runGreedy(
  folder: string,
  greedy: Greedy,
  shelf: ModelShelf,
  { machine, files }: CaseContext,
): Promise<string | null> {
  const model = await shelf.model(folder)
  const steps = greedy.continuation.length
  const isDynamic = ropeScaling(model.config)?.type === 'dynamic'
  // With a dynamic base cached keys would keep an older one: there every step is a whole pass.
  const ways = isDynamic
    ? [decodeWhole(model, machine, greedy.prompt, steps)]
    : [decodeCached(model, machine, { ids: [greedy.prompt] }, steps), decodeWhole(model, machine, greedy.prompt, steps)]
  for (const [way, decoded] of (await Promise.all(ways)).entries()) {
    const label = way === 0 && !isDynamic ? 'cached' : 'whole passes'
    const ids = decoded.ids.map(([id]) => id)
    if (ids.join() !== greedy.continuation.join())
      return `${label}: got ${ids.join(' ')}, want ${greedy.continuation.join(' ')}`
    if (!hasTensor(files, folder, 'greedy.logits')) continue
    const want = files.tensor(`${folder}/expected.safetensors`, 'greedy.logits')
    const logits = Float64Array.from(decoded.logits.flatMap(([row]) => [...row]))
    const finding = compareNumbers(`${label} logits`, want.shape, logits, numbersOf(want), { tolerance: LOGITS })
    if (finding !== null) return finding
  }
  return null
}

async function runPaddedGreedy(
  folder: string,
  padded: PaddedGreedy,
  shelf: ModelShelf,
  { machine }: CaseContext,
): Promise<string | null> {
  const model = await shelf.model(folder)
  const prompts = { ids: padded.input_ids, mask: padded.attention_mask }
  const { ids } = await decodeCached(model, machine, prompts, padded.continuation[0].length)
  for (const [row, want] of padded.continuation.entries()) {
    const got = ids.map((step) => step[row])
    if (got.join() !== want.join()) return `row ${row}: got ${got.join(' ')}, want ${want.join(' ')}`
  }
  return null
}

/** Weights, activations and cache in bf16. */
async function runNarrow(folder: string, { machine, files }: CaseContext): Promise<string | null> {
  const { model } = await loadFolder(modelFolder(files, folder), 'bf16')
  const mask = storedMask(files, folder)
  const isReal = await realPlaces(machine, mask)
  const logits = model.forward(storedTensor(files, folder, 'input_ids'), { mask })
  const [host] = await machine.read([logits])
  const want = numbersOf(files.tensor(`${folder}/expected.safetensors`, 'logits_bf16_arithmetic'))
  const width = model.config.vocab_size
  const gaps = [...numbersOf(host).map((value, k) => Math.abs(value - want[k]))].filter((_, k) =>
    isReal(Math.floor(k / width)),
  )
  const most = gaps.reduce((largest, gap) => Math.max(largest, gap), 0)
  const rootMeanSquare = Math.sqrt(gaps.reduce((sum, gap) => sum + gap * gap, 0) / gaps.length)
  if (rootMeanSquare <= NARROW_LOGITS.rootMeanSquare && most <= NARROW_LOGITS.most) return null
  return `logits in bf16: root mean square ${rootMeanSquare}, largest ${most}, at most ${NARROW_LOGITS.rootMeanSquare} and ${NARROW_LOGITS.most}`
}

/** Inverse frequencies, which say the base too. */
function runFrequencies(folder: string, expected: Expected, { files }: CaseContext): Promise<string | null> {
  const { config } = parseConfig(files.text(`${folder}/config.json`))
  const { length } = files.json(`${folder}/expected.json`) as { length: number }
  const got = ropeFrequencies(config, length)
  const full = hasTensor(files, folder, 'inv_freq_at_full_length')
  const stored = files.tensor(`${folder}/expected.safetensors`, full ? 'inv_freq_at_full_length' : 'inv_freq')
  const factor = full ? 1 : (ropeScaling(config)?.factor ?? 1)
  // Stored frequencies are those ahead of linear scaling where positions are divided, or behind it.
  const want = numbersOf(stored)
  const scaled = want[0] === 1 ? got.map((frequency) => frequency * factor) : got
  const finding = compareNumbers('inv_freq', stored.shape, scaled, want, { tolerance: FREQUENCIES })
  if (finding !== null || expected.base_at_full_length === undefined) return Promise.resolve(finding)
  const base = got[1] ** -got.length
  const tolerance: Tolerance = [1e-9, 0]
  return Promise.resolve(compareNumbers('base', [1], [base], [expected.base_at_full_length], { tolerance }))
}

/** The scaling that the last of two keys would hide must be used, and the doubled key reported. */
function runDuplicateKey(folder: string, { files }: CaseContext): Promise<string | null> {
  const right = parseConfig(files.text(`${folder}/config.json`))
  const doubled = parseConfig(files.text(`${folder}/config.duplicate-key.json`))
  if (right.warnings.length > 0) return Promise.resolve(`unexpected warning: ${right.warnings[0].message}`)
  if (JSON.stringify(right.config) !== JSON.stringify(doubled.config)) return Promise.resolve('another configuration')
  const isReported = doubled.warnings.some(({ field }) => field === 'rope_scaling')
  return Promise.resolve(isReported ? null : 'the doubled rope_scaling was not reported')
}

/** Another format of the weights of another folder, with buffers that must be ignored. */
async function runSameWeights(folder: string, expected: Expected, { files }: CaseContext): Promise<string | null> {
  const other = (expected.same_weights_as ?? '').replace(/^\.\.\//, '')
  const [here, there] = await Promise.all([folder, other].map((name) => openCheckpoint(modelFolder(files, name))))
  const ignored = expected.ignore_tensors ?? []
  const absent = ignored.find((name) => !here.tensors.has(name))
  if (absent !== undefined) return `the checkpoint lacks ${absent}`
  const names = [...here.tensors.keys()].filter((name) => !ignored.includes(name)).sort()
  if (names.join() !== [...there.tensors.keys()].sort().join()) return `other tensors than ${other}`
  for (const name of names)
    if (Buffer.compare(await here.read(name), await there.read(name)) !== 0)
      return `${name} has other bytes than in ${other}`
  const shards = files.list().filter((file) => file.startsWith(`${folder}/`) && /-of-\d+\.\w+$/.test(file))
  return expected.shards === undefined || shards.length === expected.shards
    ? null
    : `got ${shards.length} shards, want ${expected.shards}`
}

/** Saved and read back: the same logits, and where the original was no GGUF the same tensors byte for byte. */
async function runWritten(folder: string, context: CaseContext): Promise<string | null> {
  const original = modelFolder(context.files, folder)
  return withWrittenFolder(original, async (written, path) => {
    const { model } = await loadFolder(written, 'f32')
    const isGguf = (await original.list()).some((file) => file.endsWith('.gguf'))
    const finding = isGguf ? null : await differenceOfFolders(original, written, path)
    return finding ?? compareLogits(folder, model, context)
  })
}
