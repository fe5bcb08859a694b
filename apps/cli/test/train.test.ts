import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tarazed } from './world.js'

const RECIPE = {
  data: [
    { name: 'foxes', path: 'foxes.txt' },
    { name: '狐狸', path: 'zh.txt' },
  ],
  held_out: 0.1,
  tokenizer: { vocab_size: 320 },
  model: { hidden_size: 32, num_hidden_layers: 1 },
  training: { length: 16, samples: 64, batch: 8, learning_rate: { max: 0.01, warmup: 8 } },
  save_every: 32,
  validate_every: 32,
  out: 'run',
}

let root: string

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tarazed-train-'))
  const lines = (text: (k: number) => string) => Array.from({ length: 200 }, (_, k) => text(k)).join('\n')
  writeFileSync(
    join(root, 'foxes.txt'),
    lines((k) => `Fox ${k} saw ${k % 7} dogs.`),
  )
  writeFileSync(
    join(root, 'zh.txt'),
    lines((k) => `第${k}只狐狸看见了${k % 7}只狗。`),
  )
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** JSON is YAML. */
function recipe(name: string, changes: object = {}): string {
  const path = join(root, name)
  writeFileSync(path, JSON.stringify({ ...RECIPE, ...changes }))
  return path
}

const train = (path: string, ...more: string[]) => tarazed(['train', path, '--threads', '1', ...more])

describe('tarazed train', () => {
  it('writes a model folder that generates, a report, and a run that resumes to the same bits', async () => {
    const whole = await train(recipe('whole.yaml'), '--json')
    expect(whole.exit).toBe(0)
    const outcome = JSON.parse(whole.out)
    expect(outcome).toMatchObject({ finished: true, step: 8, samples: 64 })
    expect(outcome.scores.map(({ name }: { name: string }) => name)).toEqual(['foxes', '狐狸'])
    for (const { bitsPerByte } of outcome.scores) expect(bitsPerByte).toBeGreaterThan(0.5)
    expect(readFileSync(join(root, 'run/report.html'), 'utf8')).toContain('foxes')
    const text = await tarazed(['generate', join(root, 'run'), 'Fox', '--max-tokens', '4', '--threads', '1'])
    expect(text).toMatchObject({ exit: 0 })

    const stopped = new AbortController()
    const half = recipe('half.yaml', { out: 'stopped', training: { ...RECIPE.training } })
    setTimeout(() => stopped.abort(), 0)
    const first = await tarazed(['train', half, '--threads', '1'], { signal: stopped.signal })
    expect(first.exit).toBe(130)
    expect(await train(half, '--resume')).toMatchObject({ exit: 0 })
    const weights = (run: string) => readFileSync(join(root, run, 'model.safetensors'))
    expect(weights('stopped').equals(weights('run'))).toBe(true)
  })

  it('does not overwrite a run', async () => {
    const { exit, err } = await train(recipe('again.yaml'))
    expect(exit).toBe(1)
    expect(err).toContain('--resume')
  })

  it.each([
    [{ training: { ...RECIPE.training, samples: 'many' } }, 'training.samples'],
    [{ modle: 1 }, 'modle'],
    [{ data: [{ name: 'a', path: 'foxes.txt', weight: 1 }, RECIPE.data[1]] }, 'weight to every domain'],
    [{ data: [{ name: 'a', path: 'nowhere' }] }, 'nowhere'],
    [{ out: 'fresh', training: { ...RECIPE.training, length: 100_000 } }, 'training.length'],
  ])('names what is wrong with a recipe: %j', async (changes, named) => {
    const { exit, err } = await train(recipe('bad.yaml', { out: 'bad', ...changes }))
    expect(exit).toBe(1)
    expect(err).toContain(named)
    expect(existsSync(join(root, 'bad/model.safetensors'))).toBe(false)
  })

  it('does not touch a model that is in the folder already', async () => {
    const folder = join(root, 'victim')
    mkdirSync(folder)
    writeFileSync(join(folder, 'config.json'), '{}')
    const { exit, err } = await train(recipe('victim.yaml', { out: 'victim' }))
    expect(exit).toBe(1)
    expect(err).toContain('already holds a model')
    expect(readdirSync(folder)).toEqual(['config.json'])
  })

  it('refuses to resume where there is nothing, and says when the recipe is another', async () => {
    const empty = await train(recipe('empty.yaml', { out: 'empty' }), '--resume')
    expect(empty.exit).toBe(1)
    expect(empty.err).toContain('no run to resume')
    const other = await train(recipe('other.yaml', { save_every: 16 }), '--resume')
    expect(other.exit).toBe(0)
    expect(other.err).toContain('not the one that this run began with')
  })

  it('keeps the chat template of a model that is trained further', async () => {
    writeFileSync(join(root, 'run/chat_template.jinja'), '{{ messages[0].content }}')
    const path = join(root, 'run')
    const further = await train(recipe('further.yaml', { model: { path }, tokenizer: { path }, out: 'further' }))
    expect(further).toMatchObject({ exit: 0 })
    expect(readFileSync(join(root, 'further/chat_template.jinja'), 'utf8')).toContain('messages')
  })

  it('names the line of broken YAML', async () => {
    const path = join(root, 'broken.yaml')
    writeFileSync(path, 'data:\n  - {name: a\nout: x\n')
    const { exit, err } = await train(path)
    expect(exit).toBe(1)
    expect(err).toMatch(/line \d/)
  })
})
