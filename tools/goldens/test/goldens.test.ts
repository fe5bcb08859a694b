import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { goldens } from '../src/goldens.js'
import {
  f32,
  negCase,
  negTensors,
  safetensorsBytes,
  temporaryFolder,
  writeFile,
  writeJsonFile,
  writeTensorArea,
} from './files.js'

interface Outcome {
  readonly lines: string[]
  readonly code: number
  readonly last: string | undefined
}

/** Runs the command on the graph interpreter, which needs no backend. */
async function run(...argv: string[]): Promise<Outcome> {
  const lines: string[] = []
  const code = await goldens(['--backend', 'interpret', ...argv], (line) => lines.push(line))
  return { lines, code, last: lines.at(-1) }
}

const failures = ({ lines }: Outcome): string[] => lines.filter((line) => line.startsWith('FAIL'))

describe('npm run goldens', () => {
  it('passes when every case passes, and says what was executed', async () => {
    const outcome = await run(writeTensorArea({ ...negTensors(0), ...negTensors(1) }, [negCase(0), negCase(1)]))
    expect(outcome).toMatchObject({ code: 0, last: '2 passed, 0 failed' })
    expect(outcome.lines.at(-2)).toBe('backend interpret: 2 programs, 2 steps, 0 kernels compiled')
  })

  it('runs on a real backend and counts its programs and steps', async () => {
    const folder = writeTensorArea(negTensors(0), [negCase(0)])
    const lines: string[] = []
    const code = await goldens([folder, '--backend', 'reference'], (line) => lines.push(line))
    expect(code).toBe(0)
    expect(lines).toEqual([
      expect.stringMatching(/^backend reference: 1 programs, 1 steps, \d+ kernels compiled$/),
      '1 passed, 0 failed',
    ])
  })

  it('prints one line for a wrong value and exits with 1', async () => {
    const outcome = await run(writeTensorArea(negTensors(0, [-1, 3]), [negCase(0)]))
    expect(outcome).toMatchObject({ code: 1, last: '0 passed, 1 failed' })
    expect(failures(outcome)).toHaveLength(1)
    expect(failures(outcome)[0]).toContain(
      'neg/0 neg: out0[1] got 2, want 3, tolerance rtol 0.00001 atol 0.000001, 1 of 2 wrong',
    )
  })

  it('checks gradients through views of the stored tensor', async () => {
    const viewed = negCase(0, {
      inputs: [{ name: 'in0', dtype: 'f32', shape: [4], view: [['slice', [[3, null, -2]]]] }],
      grad: { of: [0], wrt: [0] },
    })
    const tensors = {
      'case0.in0': f32([4], [1, 2, 3, 4]),
      'case0.out0': f32([2], [-4, -2]),
      'case0.gradOut0': f32([2], [10, 20]),
    }
    const right = { ...tensors, 'case0.gradIn0': f32([4], [0, -20, 0, -10]) }
    const wrong = { ...tensors, 'case0.gradIn0': f32([4], [0, -10, 0, -20]) }
    expect(await run(writeTensorArea(right, [viewed]))).toMatchObject({ code: 0, last: '1 passed, 0 failed' })
    const outcome = await run(writeTensorArea(wrong, [viewed]))
    expect(failures(outcome)[0]).toContain('gradIn0[1] got -20, want -10')
  })

  it('fails an index entry whose tensor or file is missing', async () => {
    const lost = negCase(1, { file: 'ops/lost.safetensors' })
    const outcome = await run(writeTensorArea(negTensors(0), [negCase(0), negCase(7), lost]))
    expect(outcome.last).toBe('1 passed, 2 failed')
    expect(failures(outcome)[0]).toContain('ops/neg.safetensors has no tensor case7.in0')
    expect(failures(outcome)[1]).toContain('ops/lost.safetensors')
  })

  it('fails an index entry that promises another shape or dtype than the file has', async () => {
    const other = negCase(0, { inputs: [{ name: 'in0', dtype: 'f32', shape: [2, 1] }] })
    const outcome = await run(writeTensorArea(negTensors(0), [other]))
    expect(failures(outcome)[0]).toContain('in0: the index promises f32[2, 1], the file has f32[2]')
  })

  it('fails tensors and files that no case reads', async () => {
    const folder = writeTensorArea({ ...negTensors(0), ...negTensors(5), 'case0.extra': f32([], [1]) }, [negCase(0)])
    writeFile(folder, 'ops/more.safetensors', safetensorsBytes(negTensors(0)))
    const outcome = await run(folder)
    expect(outcome.last).toBe('1 passed, 3 failed')
    expect(failures(outcome).map((line) => line.split(': ').slice(1).join(': '))).toEqual([
      'ops/more.safetensors: no case read this file',
      'ops/neg.safetensors case5 (of no case): no case read case5.in0 case5.out0',
      'ops/neg.safetensors case0: no case read case0.extra',
    ])
  })

  it('does not blame data of cases that were left out or failed', async () => {
    const folder = writeTensorArea({ ...negTensors(0), ...negTensors(1, [0, 0]) }, [negCase(0), negCase(1)])
    expect(await run(folder, '--filter', 'neg/0')).toMatchObject({ code: 0, last: '1 passed, 0 failed, 1 skipped' })
    expect((await run(folder)).last).toBe('1 passed, 1 failed')
  })

  it('fails when the filter matches nothing', async () => {
    const folder = writeTensorArea({ ...negTensors(0), ...negTensors(1) }, [negCase(0), negCase(1)])
    const complaint = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    for (const more of [[], ['--list']]) {
      expect(await run(folder, '--filter', 'ngative', ...more)).toMatchObject({ code: 1, lines: [] })
      expect(complaint).toHaveBeenLastCalledWith(
        expect.stringMatching(/--filter "ngative" matches none of 2 cases; .*area\/op\/id.*--list/),
      )
    }
    complaint.mockRestore()
  })

  it('says how many cases a filter leaves out', async () => {
    const folder = writeTensorArea({ ...negTensors(0), ...negTensors(1) }, [negCase(0), negCase(1)])
    const outcome = await run(folder, '--filter', '!neg/1')
    expect(outcome.lines).toContain('filter "!neg/1" leaves out 1 cases')
    expect(outcome.last).toBe('1 passed, 0 failed, 1 skipped')
  })

  it('lists ids and computes nothing', async () => {
    const folder = writeTensorArea(negTensors(0, [0, 0]), [negCase(0)])
    const outcome = await run(folder, '--list')
    expect(outcome.code).toBe(0)
    expect(outcome.lines).toEqual([expect.stringMatching(/^goldens-\w+\/neg\/neg\/0$/)])
  })

  it('runs only the cases with a file in the sub-folder that was named', async () => {
    const folder = writeTensorArea(negTensors(0), [negCase(0), negCase(1, { file: 'other.safetensors' })])
    expect((await run(join(folder, 'ops'))).last).toBe('1 passed, 0 failed')
    writeFile(folder, 'empty/nothing', '')
    expect((await run(join(folder, 'empty'))).code).toBe(1)
  })

  it('fails areas without a runner, broken indexes and unknown folders', async () => {
    const folder = temporaryFolder()
    writeJsonFile(folder, 'a/goldens.json', { kind: 'music', layout: 1 })
    writeFile(folder, 'a/data.bin', 'x')
    writeJsonFile(folder, 'b/goldens.json', { kind: 'tensor', layout: 99 })
    writeJsonFile(folder, 'c/goldens.json', { kind: 'tensor', layout: 1 })
    const outcome = await run(folder, join(folder, 'nowhere'))
    expect(outcome).toMatchObject({ code: 1, last: '0 passed, 5 failed' })
    const text = failures(outcome).join('\n')
    expect(text).toContain('nowhere: no such folder')
    expect(text).toContain('a: no runner for kind "music"')
    expect(text).toContain('a: data.bin: no case read this file')
    expect(text).toContain('b: no runner for layout 99 of kind tensor')
    expect(text).toContain('c: index.json cannot be read')
  })

  it('fails cases that its runners do not know', async () => {
    const outcome = await run(
      writeTensorArea({ ...negTensors(0), ...negTensors(1), ...negTensors(2) }, [
        negCase(0, { op: 'negate' }),
        negCase(1, { group: 'poems' }),
        negCase(2, { attrs: { twice: true } }),
      ]),
    )
    expect(failures(outcome).map((line) => line.split('Error: ')[1])).toEqual([
      'no runner for operator negate',
      'no runner for group poems',
      'the runner does not know the attributes twice',
    ])
  })

  it('wants errors for calls that must throw', async () => {
    const operand = (...shape: number[]): object => ({ dtype: 'f32', shape })
    const folder = writeTensorArea(
      negTensors(0),
      [negCase(0)],
      [
        { id: 'error/0', op: 'add', attrs: {}, inputs: [operand(3), operand(4)], why: 'shapes do not broadcast' },
        { id: 'error/1', op: 'add', attrs: {}, inputs: [operand(3), operand(3)], why: 'nothing is wrong' },
      ],
    )
    const outcome = await run(folder)
    expect(outcome.last).toBe('2 passed, 1 failed')
    expect(failures(outcome)[0]).toContain('error/1 add: must throw (nothing is wrong), returned instead')
  })

  it('runs nodes of ONNX with operands left out', async () => {
    const folder = temporaryFolder()
    const spec = { dtype: 'f32', shape: [2] }
    writeJsonFile(folder, 'goldens.json', { kind: 'onnx', layout: 1 })
    writeJsonFile(folder, 'index.json', {
      cases: [
        {
          id: 'onnx/clip',
          op: 'Clip',
          opset: 13,
          file: 'Clip.safetensors',
          key: 'case0',
          attrs: {},
          inputs: [{ name: 'in0', ...spec }, null, { name: 'in2', dtype: 'f32', shape: [] }],
          outputs: [{ name: 'out0', ...spec }],
          tol: { out: [0, 0] },
        },
      ],
    })
    const tensors = { 'case0.in0': f32([2], [-9, 9]), 'case0.in2': f32([], [1]), 'case0.out0': f32([2], [-9, 1]) }
    writeFile(folder, 'Clip.safetensors', safetensorsBytes(tensors))
    expect(await run(folder)).toMatchObject({ code: 0, last: '1 passed, 0 failed' })
  })

  it('writes its figures as JSON', async () => {
    const folder = writeTensorArea(negTensors(0, [0, 0]), [negCase(0)])
    const file = join(folder, 'ops', 'figures.json')
    await run(folder, '--json', file)
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      backend: 'interpret',
      passed: 0,
      failed: 1,
      skipped: 0,
      failures: [{ id: 'neg/0', op: 'neg' }],
    })
    rmSync(file)
  })

  it('refuses a command line that it cannot understand, or a backend that it does not know', async () => {
    const errors = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    expect((await run()).code).toBe(1)
    expect((await run('.', '--wat')).code).toBe(1)
    expect(await goldens([temporaryFolder(), '--backend', 'abacus'], () => undefined)).toBe(1)
    expect(errors.mock.calls.join('\n')).toMatch(
      /name at least one folder[^]*--wat[^]*must be cpu, webgpu, cuda or reference, got abacus/,
    )
    errors.mockRestore()
  })
})
