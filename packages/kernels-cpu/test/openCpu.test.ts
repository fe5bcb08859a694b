/** What `openCpu` refuses, as plain JavaScript may write it. */
import { ArgumentError } from '@tarazed/tensor'
import { describe, expect, it } from 'vitest'
import { openCpu } from '../src/index.js'

const rows: [options: unknown, message: RegExp][] = [
  [null, /openCpu: options must be an object, got null/],
  [4, /openCpu: options must be an object, got 4; write \{ threads: 4 \}/],
  ['all', /openCpu: options must be an object, got "all"/],
  [{ thread: 2 }, /the options are threads, memoryLimitBytes, relaxedSimd, got thread; did you mean threads\?/],
  [{ memoryLimit: 1 }, /got memoryLimit; did you mean memoryLimitBytes\?/],
  [{ threads: 'auto' }, /threads must be a whole number 0 … \d+, got auto; leave it out/],
  [{ threads: 1.5 }, /got 1.5/],
  [{ memoryLimitBytes: 2 ** 33 }, /memoryLimitBytes must be 1 MiB … 4 GiB, got 8589934592/],
  [{ memoryLimitBytes: '4 GiB' }, /got 4 GiB/],
  [{ relaxedSimd: 'no' }, /relaxedSimd must be true or false, got no/],
]

describe('openCpu', () => {
  it.each(rows)('refuses %o with the way out', async (options, message) => {
    const error = await openCpu(options as never).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ArgumentError)
    expect((error as Error).message).toMatch(message)
  })
})
