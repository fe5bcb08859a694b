import { describe, expect, it } from 'vitest'
import { addCounts, countsLine, goldenCounts, vitestCounts } from '../testCounts.mjs'

const report = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: [] as object[],
}

describe('counts of test results', () => {
  it('name the skipped only when there are some', () => {
    expect(countsLine({ passed: 2, failed: 0, skipped: 0 })).toBe('2 passed, 0 failed')
    expect(countsLine({ passed: 2, failed: 1, skipped: 3 })).toBe('2 passed, 1 failed, 3 skipped')
  })

  it('add up', () => {
    const sum = addCounts({ passed: 1, failed: 2, skipped: 3 }, { passed: 10, failed: 20, skipped: 30 })
    expect(sum).toEqual({ passed: 11, failed: 22, skipped: 33 })
  })

  it('take todo tests as skipped', () => {
    expect(vitestCounts(report, 0)).toEqual({ passed: 3, failed: 0, skipped: 2 })
  })

  it('count a file that could not be loaded as a failure', () => {
    const broken = { ...report, testResults: [{ status: 'failed', assertionResults: [] }] }
    expect(vitestCounts(broken, 1).failed).toBe(1)
  })

  it('count an error outside of any test, or a missing report, as a failure', () => {
    expect(vitestCounts(report, 1).failed).toBe(1)
    expect(vitestCounts(undefined, 0).failed).toBe(1)
  })

  it('read the last line of the goldens', () => {
    expect(goldenCounts('2060 passed, 0 failed', 0)).toEqual({ passed: 2060, failed: 0, skipped: 0 })
    expect(goldenCounts('7 passed, 1 failed, 2 skipped', 1)).toEqual({ passed: 7, failed: 1, skipped: 2 })
  })

  it('take goldens that end without a count, or badly, for a failure', () => {
    expect(goldenCounts('Error: boom', 0).failed).toBe(1)
    expect(goldenCounts('7 passed, 0 failed', 1).failed).toBe(1)
  })
})
