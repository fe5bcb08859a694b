/** `tarazed train`: a model from a recipe. */
import { openCpu } from '@tarazed/kernels-cpu'
import { setDefaultBackend } from '@tarazed/tensor'
import type { Command } from '../command.js'
import { EXIT } from '../failure.js'
import { THREADS } from '../loadModel.js'
import { readRecipe } from '../training/recipe.js'
import { runRecipe } from '../training/runRecipe.js'

const RECIPE = `
  # recipe.yaml; paths are relative to it
  data:
    - { name: english, path: texts/en }
    - { name: chinese, path: texts/zh, weight: 2 }
  held_out: 0.02
  tokenizer: { vocab_size: 4000 }            # or { path: FOLDER }
  model: { hidden_size: 128, num_hidden_layers: 3 }   # or { path: FOLDER }, to train a model further
  training:
    length: 128
    samples: 40000
    batch: 16                                # or { start, step, samples, full }: grows with the samples
    learning_rate: { max: 0.002, min: 0.0002, warmup: 1000, style: cosine }   # counted in samples
    weight_decay: 0.1
    seed: 0
  save_every: 4000                           # samples
  validate_every: 4000
  out: runs/mine`

export const trainCommand: Command = {
  path: ['train'],
  about: { en: 'train a model as a recipe says', zh: '按配方训练模型' },
  details: {
    en: `Writes a Hugging Face style folder (config.json, model.safetensors, tokenizer), a report with curves, and checkpoints in\ntraining/ from which --resume goes on bit for bit. Ctrl-C saves. A recipe:\n${RECIPE}`,
    zh: `写出 Hugging Face 格式的目录（config.json、model.safetensors、分词器）、带曲线的报告，以及 training/ 中的检查点，\n--resume 可从中逐位一致地继续。按 Ctrl-C 会先保存。配方示例：\n${RECIPE}`,
  },
  arguments: [{ name: 'RECIPE', about: { en: 'a YAML file', zh: 'YAML 文件' } }],
  options: {
    out: {
      kind: 'text',
      value: 'DIR',
      byDefault: { en: 'as the recipe says', zh: '按配方' },
      about: { en: 'where to write', zh: '写入的目录' },
    },
    resume: { kind: 'flag', about: { en: 'go on with the run in that folder', zh: '继续该目录中的运行' } },
    threads: THREADS,
    json: { kind: 'flag', about: { en: 'the outcome as JSON', zh: '以 JSON 输出结果' } },
  },
  examples: [
    { line: 'tarazed train recipe.yaml', about: { en: 'a new run', zh: '新的训练' } },
    { line: 'tarazed train recipe.yaml --resume', about: { en: 'go on after Ctrl-C', zh: '按 Ctrl-C 之后继续' } },
  ],
  async run(values, context) {
    const recipe = await readRecipe(context.path(values.positionals[0]))
    const out = values.text('out')
    const backend = await openCpu({ threads: values.number('threads') })
    setDefaultBackend(backend)
    try {
      const outcome = await runRecipe(
        out === undefined ? recipe : { ...recipe, out: context.path(out) },
        values.flag('resume'),
        context,
      )
      if (values.flag('json')) context.out.write(`${JSON.stringify(outcome)}\n`)
      else
        context.out.write(
          context.say({
            en: `${outcome.finished ? 'Trained' : 'Stopped after'} ${outcome.step} updates in ${Math.round(outcome.seconds)} s: ${outcome.out}\n`,
            zh: `${outcome.finished ? '已训练' : '已停在'} ${outcome.step} 步，用时 ${Math.round(outcome.seconds)} 秒：${outcome.out}\n`,
          }),
        )
      return outcome.finished ? EXIT.done : EXIT.interrupted
    } finally {
      await backend.close()
    }
  },
}
