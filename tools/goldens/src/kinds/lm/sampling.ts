/**
 * Family `sampling`: probabilities after sampling rules, and draws from them. The rules run on the host, on rows that the chosen backend hands
 * out; tolerance 1e-6 absolute, numbers of kept ids exactly.
 */
import { drawToken, type SamplingRules, tokenDistribution, type TokenDistribution } from '@tarazed/lm'
import { type Area } from '../../areas.js'
import { type AreaFiles } from '../../areaFiles.js'
import { type CaseContext, type GoldenCase } from '../../case.js'
import { compareNumbers, type Tolerance } from '../../compare.js'
import { numbersOf } from '../../hostTensor.js'
import { IndexError, listOf, tensorOf } from '../../stored.js'
import { familyFolders, recordOf } from './familyFolders.js'

const TOLERANCE: Tolerance = [0, 1e-6]

/** Two cases for what the index only tells in words, and one for each entry. */
export function cases(_area: Area, files: AreaFiles): GoldenCase[] {
  return familyFolders(files, 'sampling').flatMap((folder) => {
    const index = recordOf(files.json(`${folder}/expected.json`), 'expected.json')
    const entries = listOf(index, 'cases').map(readEntry)
    const values = `${folder}/expected.safetensors`
    return [
      ...entries.map((entry) => ({
        id: String(entry.number),
        op: folder,
        sources: [{ file: values, key: String(entry.number) }],
        run: (context: CaseContext) => runEntry(values, entry, context),
      })),
      drawCase(folder, index, entries),
      certaintyCase(folder, entries),
    ]
  })
}

interface Entry {
  readonly number: number
  readonly rules: SamplingRules
  /** Ids left in each row. */
  readonly kept: readonly number[]
}

/** Rules by the names of the index. */
const RULES: Readonly<Record<string, (value: number) => SamplingRules>> = {
  temperature: (temperature) => ({ temperature }),
  top_k: (topK) => ({ topK }),
  top_p: (topP) => ({ topP }),
  min_p: (minP) => ({ minP }),
  typical_p: (typicalP) => ({ typicalP }),
  repetition_penalty: (repetitionPenalty) => ({ repetitionPenalty }),
  no_repeat_ngram: (noRepeatNgram) => ({ noRepeatNgram }),
  forbid_eos: (id) => ({ forbid: [id] }),
}

const FIELDS = ['case', 'order', 'parameters', 'kept', 'note']

function readEntry(entry: Record<string, unknown>): Entry {
  const unknown = Object.keys(entry).filter((field) => !FIELDS.includes(field))
  if (unknown.length > 0) throw new IndexError(`the runner does not know the fields ${unknown.join(', ')}`)
  const { case: number, order, parameters, kept } = entry
  if (order !== 'hf' && order !== 'aquila')
    throw new IndexError(`case ${String(number)}: unknown order ${String(order)}`)
  const rules = Object.entries(recordOf(parameters, 'parameters')).map(([name, value]) => {
    if (!Object.hasOwn(RULES, name)) throw new IndexError(`case ${String(number)}: unknown rule ${name}`)
    return RULES[name](value as number)
  })
  return {
    number: number as number,
    rules: Object.assign({ order }, ...rules) as SamplingRules,
    kept: kept as number[],
  }
}

async function runEntry(values: string, entry: Entry, context: CaseContext): Promise<string | null> {
  const distributions = await distributionsOf(values, entry, context)
  const want = context.files.tensor(values, `${entry.number}.probabilities`)
  const V = want.shape[1]
  const got = distributions.flatMap((distribution) => dense(distribution, V))
  const wrong = compareNumbers('probabilities', want.shape, got, numbersOf(want), { tolerance: TOLERANCE })
  if (wrong !== null) return wrong
  const kept = distributions.map(({ ids }) => ids.length)
  return String(kept) === String(entry.kept) ? null : `kept ids: got ${kept.join(', ')}, want ${entry.kept.join(', ')}`
}

/** One distribution for each row of logits, read from the backend. */
async function distributionsOf(
  values: string,
  { number, rules }: Entry,
  { files, machine }: CaseContext,
): Promise<TokenDistribution[]> {
  const logits = tensorOf(files.tensor(values, `${number}.logits`)) // [B,V]
  const history = numbersOf(files.tensor(values, `${number}.history`)) // [B,T]
  const [B, V] = logits.shape
  const [row] = await machine.read([logits.reshape([B * V])])
  const all = numbersOf(row)
  const T = history.length / B
  return Array.from({ length: B }, (_, b) =>
    tokenDistribution(all.subarray(b * V, (b + 1) * V), rules, { history: history.subarray(b * T, (b + 1) * T) }),
  )
}

function dense({ ids, probabilities }: TokenDistribution, V: number): number[] {
  const all = new Array<number>(V).fill(0)
  ids.forEach((id, k) => (all[id] = probabilities[k]))
  return all
}

function drawCase(folder: string, index: Record<string, unknown>, entries: readonly Entry[]): GoldenCase {
  const { u, draws, probabilities_of: of } = recordOf(index.inverse_cdf, 'inverse_cdf')
  const place = /^case (\d+), row (\d+)$/.exec(String(of))
  const entry = entries.find(({ number }) => number === Number(place?.[1]))
  if (entry === undefined) throw new IndexError(`inverse_cdf: no case is named by ${String(of)}`)
  return {
    id: 'draws',
    op: folder,
    sources: [{ file: `${folder}/expected.json` }],
    async run(context) {
      const distributions = await distributionsOf(`${folder}/expected.safetensors`, entry, context)
      const got = (u as number[]).map((each) => drawToken(distributions[Number(place?.[2])], each).id)
      return String(got) === String(draws) ? null : `draws: got ${String(got)}, want ${String(draws)}`
    },
  }
}

/** The index says in words that temperature 0 gives the arg max probability 1. */
function certaintyCase(folder: string, entries: readonly Entry[]): GoldenCase {
  const values = `${folder}/expected.safetensors`
  return {
    id: 'temperature 0',
    op: folder,
    sources: [{ file: `${folder}/expected.json` }],
    async run(context) {
      const { number } = entries[0]
      const rules: SamplingRules = { order: 'aquila', temperature: 0, topP: 0.9, topK: 15 }
      const distributions = await distributionsOf(values, { number, rules, kept: [] }, context)
      const logits = context.files.tensor(values, `${number}.logits`)
      const all = numbersOf(logits)
      const V = logits.shape[1]
      for (const [b, { ids, probabilities }] of distributions.entries()) {
        const row = all.subarray(b * V, (b + 1) * V)
        const best = row.indexOf(Math.max(...row))
        if (ids.length !== 1 || ids[0] !== best || probabilities[0] !== 1)
          return `row ${b}: got ${String(ids)} with ${String(probabilities)}, want ${best} with 1`
      }
      return null
    },
  }
}
