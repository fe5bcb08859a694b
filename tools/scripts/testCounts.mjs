// Counts of test results, added up over vitest and the goldens.

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @returns {Counts} */
export function addCounts(...counts) {
  const sum = (key) => counts.reduce((total, one) => total + one[key], 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

/** `N passed, N failed`, and `, N skipped` when some were. */
export function countsLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/**
 * Counts from vitest's JSON report. A file that could not be loaded, an error outside of any test and a missing report
 * count as one failure each: they leave no failed test behind.
 *
 * @returns {Counts}
 */
export function vitestCounts(report, exitStatus) {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 }
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length
  const failed = report.numFailedTests + brokenFiles
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitStatus !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

/** Counts from the goldens' last line. A run that ends without one, or badly without a failed case, is one failure. */
export function goldenCounts(lastLine, exitStatus) {
  const match = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(lastLine.trim())
  if (match === null) return { passed: 0, failed: 1, skipped: 0 }
  const [passed, failed, skipped] = [match[1], match[2], match[3] ?? '0'].map(Number)
  return { passed, failed: failed === 0 && exitStatus !== 0 ? 1 : failed, skipped }
}
