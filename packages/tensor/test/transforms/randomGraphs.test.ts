import fc from 'fast-check'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openReference } from '../../src/reference/openReference.js'
import { SuiteContext } from '../../src/testing/suite/context.js'
import { checkRandomGraph, GRAPH_KINDS } from '../../src/testing/suite/graphs.js'

/** Graphs for each property; four properties make the thousand graphs of a CI run. */
const RUNS = Number(process.env.TARAZED_RANDOM_GRAPHS ?? 250)

describe('random graphs on the reference backend: fused = unfused bit for bit, both as interpreted', () => {
  const suite = new SuiteContext({ name: 'reference', open: () => openReference(), describe, it, beforeAll, afterAll })
  beforeAll(() => suite.open())
  afterAll(() => suite.close())

  for (const kind of GRAPH_KINDS)
    it(`${kind} of ${RUNS} graphs`, { timeout: 300_000 }, async () => {
      // Shrinking the number of steps gives a prefix of the same graph.
      const seeds = fc.tuple(fc.noShrink(fc.nat({ max: 2 ** 31 - 1 })), fc.integer({ min: 1, max: 16 }))
      await fc.assert(
        fc.asyncProperty(seeds, async ([seed, steps]) => checkRandomGraph(suite, seed, steps, kind)),
        { numRuns: RUNS },
      )
    })
})
