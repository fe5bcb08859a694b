/** Group `random`: keys, bits and distributions. Keys stand in the attributes as two words. */
import { random, slice, tensor, unstack, type DType, type Tensor } from '@tarazed/tensor'
import { type Attributes } from '../../attributes.js'
import { type CaseContext } from '../../case.js'
import { compareTensors } from '../../compare.js'
import { numbersOf, type HostTensor } from '../../hostTensor.js'
import { CaseTensors, IndexError, tensorOf } from '../../stored.js'
import { checkResult } from './check.js'
import { attributesOf, toleranceOf, type TensorEntry, type Tolerances } from './entry.js'

interface Draw {
  readonly attrs: Attributes
  readonly key: () => Tensor
  /** The option that every function with a key takes. */
  readonly layout: () => { partitionable: boolean }
  readonly inputs: readonly Tensor[]
}

const RANDOM: Readonly<Record<string, (draw: Draw) => Tensor>> = {
  'random.block': ({ inputs: [key, counter] }) => random.block(key, counter),
  'random.key': ({ attrs }) => random.key(attrs.number('seed')),
  'random.split': ({ attrs, key, layout }) => random.split(key(), attrs.number('num'), layout()),
  'random.foldIn': ({ attrs, key, layout }) => random.foldIn(key(), attrs.number('data'), layout()),
  'random.bits': ({ attrs, key, layout }) =>
    random.bits(key(), attrs.numbers('shape'), { ...layout(), dtype: attrs.text('dtype') as 'u32' | 'u8' }),
  'random.uniform': ({ attrs, key, layout }) =>
    random.uniform(key(), attrs.numbers('shape'), {
      ...layout(),
      dtype: floatOf(attrs),
      min: attrs.number('min'),
      max: attrs.number('max'),
    }),
  'random.normal': ({ attrs, key, layout }) =>
    random.normal(key(), attrs.numbers('shape'), { ...layout(), dtype: floatOf(attrs) }),
  'random.truncatedNormal': ({ attrs, key, layout }) =>
    random.truncatedNormal(key(), attrs.number('lower'), attrs.number('upper'), attrs.numbers('shape'), {
      ...layout(),
      dtype: floatOf(attrs),
    }),
  'random.bernoulli': ({ attrs, key, layout }) =>
    random.bernoulli(key(), attrs.number('p'), attrs.numbers('shape'), layout()),
  'random.randint': ({ attrs, key, layout }) =>
    random.randint(key(), attrs.numbers('shape'), {
      ...layout(),
      min: attrs.number('min'),
      max: attrs.number('max'),
      dtype: attrs.text('dtype') as DType & 'i32',
    }),
  'random.gumbel': ({ attrs, key, layout }) =>
    random.gumbel(key(), attrs.numbers('shape'), { ...layout(), dtype: floatOf(attrs) }),
  'random.categorical': ({ attrs, key, layout, inputs: [logits] }) =>
    random.categorical(key(), logits, { ...layout(), axis: attrs.number('axis') }),
  'random.permutation': ({ attrs, key, layout }) => random.permutation(key(), attrs.number('n'), layout()),
  'random.chain': chain,
}

function floatOf(attrs: Attributes): 'f32' | 'f16' | 'bf16' {
  return attrs.text('dtype') as 'f32' | 'f16' | 'bf16'
}

const CHAIN = /^uniform\(foldIn\(split\(split\(key, (\d+)\)\[(\d+)\], (\d+)\)\[(\d+)\], (\d+)\), \[([\d, ]*)\]\)$/

/** Keys derived from keys, as the program of the case spells it. */
function chain({ attrs, key, layout }: Draw): Tensor {
  const program = attrs.text('program')
  const match = CHAIN.exec(program)
  if (match === null) throw new IndexError(`no runner for the program ${program}`)
  const [firstCount, first, secondCount, second, data] = match.slice(1, 6).map(Number)
  const shape = match[6]
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number)
  const left = unstack(random.split(key(), firstCount, layout()))[first]
  const right = unstack(random.split(left, secondCount, layout()))[second]
  return random.uniform(random.foldIn(right, data, layout()), shape, layout())
}

export async function runRandom(
  entry: TensorEntry,
  tolerances: Tolerances,
  context: CaseContext,
): Promise<string | null> {
  const stored = new CaseTensors(context.files, entry.file, entry.key)
  const attrs = attributesOf(entry)
  const draw: Draw = {
    attrs,
    key: () => tensor(Uint32Array.from(attrs.numbers('key'))),
    layout: () => ({ partitionable: attrs.boolean('partitionable') }),
    inputs: entry.inputs.map((input) => tensorOf(stored.host(input))),
  }
  const want = stored.host(entry.outputs[0])
  if (entry.op === 'random.bitsSample') return bitsSample(entry, draw, want, context)
  if (!Object.hasOwn(RANDOM, entry.op)) throw new IndexError(`no runner for operator ${entry.op}`)
  const result = RANDOM[entry.op](draw)
  const skipRows = new Set(attrs.numbers('skipRows', []))
  if (attrs.unread().length > 0)
    throw new IndexError(`the runner does not know the attributes ${attrs.unread().join(', ')}`)
  const [got] = await context.machine.read([result])
  const tolerance = toleranceOf(entry, 'out', want.dtype, tolerances)
  if (skipRows.size > 0)
    return compareTensors('out0', got, want, { tolerance, exempt: (element) => skipRows.has(element) })
  return checkResult(entry, context.machine, 'out0', got, want, tolerance)
}

/** A long run of bits: every so-manyth word, and the xor of all of them. */
async function bitsSample(
  entry: TensorEntry,
  draw: Draw,
  want: HostTensor,
  context: CaseContext,
): Promise<string | null> {
  const { attrs, key, layout } = draw
  const bits = random.bits(key(), [attrs.number('n')], layout())
  const [all, sample] = await context.machine.read([bits, slice(bits, [[null, null, attrs.number('every')]])])
  const xor = numbersOf(all).reduce((folded, word) => (folded ^ word) >>> 0, 0)
  if (xor !== attrs.number('xorOfAll')) return `xor of all words: got ${xor}, want ${attrs.number('xorOfAll')}`
  return checkResult(entry, context.machine, 'out0', sample, want, [0, 0])
}
