/** The one suite that every backend runs. */
import { SuiteContext, type SuiteOptions } from './suite/context.js'
import { elementwise } from './suite/elementwise.js'
import { movement } from './suite/movement.js'
import { products } from './suite/products.js'
import { programs } from './suite/programs.js'
import { reduce } from './suite/reduce.js'
import { running } from './suite/running.js'
import { runtimeExtents } from './suite/runtimeExtents.js'

/**
 * Declares the tests of a backend: operators over dtypes, odd sizes and special values, routines with their gradients,
 * loops, random graphs, runs in flight, donation, limits. Values are compared with `interpret`, which shares no code with
 * the compiler.
 *
 * ```ts
 * import { afterAll, beforeAll, describe, it } from 'vitest'
 * backendSuite({ name: 'cpu', open: () => openCpu(), describe, it, beforeAll, afterAll })
 * ```
 */
export function backendSuite(options: SuiteOptions): void {
  const suite = new SuiteContext(options)
  options.describe(`backend ${options.name}`, () => {
    options.beforeAll(() => suite.open())
    options.afterAll(() => suite.close())
    const section = (name: string, body: (suite: SuiteContext) => void): void =>
      options.describe(name, () => body(suite))
    section('elementwise', elementwise)
    section('reductions', reduce)
    section('movement, indexing, sorting', movement)
    section('products', products)
    section('extents known at run time', runtimeExtents)
    section('programs', programs)
    section('running', running)
  })
}
