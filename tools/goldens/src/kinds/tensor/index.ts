/** Kind `tensor`: values and gradients for the tensor core. */
import { type AreaFiles } from '../../areaFiles.js'
import { type GoldenCase, type GoldenKind } from '../../case.js'
import { IndexError, listOf, readIndex } from '../../stored.js'
import { type ErrorEntry, type TensorEntry, type Tolerances } from './entry.js'
import { runError } from './errors.js'
import { runNumerics } from './numerics.js'
import { runOperator } from './ops.js'
import { runOptim } from './optim.js'
import { runRandom } from './random.js'
import { runTransform } from './transforms.js'

export const tensorKind: GoldenKind = {
  kind: 'tensor',
  layouts: [1],
  cases(_area, files: AreaFiles) {
    const index = readIndex(files)
    const tolerances = (index.tolerances ?? {}) as Tolerances
    const entries = listOf(index, 'cases') as unknown as TensorEntry[]
    const errors = (index.errors === undefined ? [] : listOf(index, 'errors')) as unknown as ErrorEntry[]
    return [
      ...entries.map((entry) => storedCase(entry, entries, tolerances)),
      ...errors.map((entry): GoldenCase => ({
        ...named(entry),
        sources: [],
        run: (context) => runError(entry, context),
      })),
    ]
  },
}

function storedCase(entry: TensorEntry, entries: readonly TensorEntry[], tolerances: Tolerances): GoldenCase {
  return {
    ...named(entry),
    sources: [{ file: entry.file, key: entry.key }],
    run(context) {
      switch (entry.group) {
        case 'ops':
          return runOperator(entry, tolerances, context)
        case 'transforms':
          return runTransform(entry, tolerances, context)
        case 'random':
          return runRandom(entry, tolerances, context)
        case 'numerics':
          return runNumerics(entry, entries, tolerances, context)
        case 'optim':
          return runOptim(entry, tolerances, context)
        default:
          throw new IndexError(`no runner for group ${entry.group}`)
      }
    },
  }
}

function named({ id, op }: { readonly id: string; readonly op: string }): { id: string; op: string } {
  if (typeof id !== 'string' || typeof op !== 'string') throw new IndexError('every case needs an id and an op')
  return { id, op }
}
