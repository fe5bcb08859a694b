/** A training recipe: a YAML file, checked. */
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import { YAMLParseError, parse } from 'yaml'
import { z } from 'zod'
import { Failure } from '../failure.js'

const count = z.int().min(1)
const share = z.number().min(0).max(0.9)

const domain = z.strictObject({
  /** In reports. */
  name: z.string().min(1),
  /** A file or folder of text, relative to the recipe. */
  path: z.string().min(1),
  /** Its share of the samples, relative to the others; default: by its tokens. */
  weight: z.number().positive().optional(),
})

const tokenizer = z.union([
  z.strictObject({ vocab_size: z.int().min(300).max(1_000_000), min_frequency: count.optional() }),
  z.strictObject({ path: z.string().min(1) }),
])

const model = z.union([
  z.strictObject({ path: z.string().min(1) }),
  z.strictObject({
    hidden_size: count,
    num_hidden_layers: count,
    num_attention_heads: count.optional(),
    num_key_value_heads: count.optional(),
    intermediate_size: count.optional(),
    initializer_range: z.number().positive().optional(),
  }),
])

const batch = z.union([count, z.strictObject({ start: count, step: count, samples: count, full: count })])

const training = z.strictObject({
  /** Tokens of a sample. */
  length: z.int().min(8).default(128),
  samples: count,
  batch: batch.default(16),
  micro_batch: count.optional(),
  learning_rate: z.strictObject({
    max: z.number().positive(),
    min: z.number().min(0).default(0),
    warmup: z.int().min(0).default(0),
    style: z.enum(['constant', 'linear', 'cosine', 'inverse-square-root', 'WSD']).default('cosine'),
    wsd_decay: count.optional(),
  }),
  weight_decay: z.number().min(0).default(0.1),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.95]),
  eps: z.number().positive().default(1e-8),
  clip: z.number().positive().nullable().default(1),
  z_loss: z.number().min(0).default(0),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31)
    .default(0),
})

const schema = z.strictObject({
  data: z
    .array(domain)
    .min(1)
    .refine((domains) => new Set(domains.map(({ weight }) => weight === undefined)).size < 2, {
      message: 'give a weight to every domain, or to none',
    }),
  /** Of every domain, its last documents or last part. */
  held_out: share.default(0.02),
  tokenizer,
  model,
  training,
  /** Samples between two saves and two validations. */
  save_every: count.optional(),
  validate_every: count.optional(),
  out: z.string().min(1).default('run'),
})

/** A recipe with its defaults filled in and its paths made absolute. */
export type Recipe = z.output<typeof schema>

/**
 * Reads a recipe.
 * @throws Failure that names each field that is wrong
 */
export async function readRecipe(path: string): Promise<Recipe> {
  const text = await readFile(path, 'utf8')
  const found = schema.safeParse(parseYaml(path, text))
  if (found.success) return withAbsolutePaths(found.data, dirname(path))
  const problems = found.error.issues
    .map((issue) => `  ${issue.path.join('.') || '(file)'}: ${issue.message}`)
    .join('\n')
  throw new Failure({
    en: `${path} is no recipe that can be followed:\n${problems}\nSee tarazed train --help for one`,
    zh: `${path} 不是有效的配方：\n${problems}\n示例见 tarazed train --help`,
  })
}

function parseYaml(path: string, text: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof YAMLParseError)) throw cause
    throw new Failure({ en: `${path}: ${cause.message}`, zh: `${path}：${cause.message}` }, { cause })
  }
}

function withAbsolutePaths(recipe: Recipe, folder: string): Recipe {
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(folder, path))
  const moved = <T extends object>(part: T): T =>
    'path' in part ? { ...part, path: absolute(part.path as string) } : part
  return {
    ...recipe,
    data: recipe.data.map(moved),
    tokenizer: moved(recipe.tokenizer),
    model: moved(recipe.model),
    out: absolute(recipe.out),
  }
}
