/** The models that BAAI published, by name. Weights and vocabulary are under BAAI's own licence: nothing of them is shipped. */
import type { Aquila2Config, RopeScaling } from './config.js'
import { configs } from './configs.js'
import { type TemplateName, templateOf } from './template.js'

/** One published model. */
export interface CatalogueEntry {
  /** As in the repository's name. */
  readonly name: string
  /** Repository on the Hugging Face hub. */
  readonly repo: string
  /** The published configuration, with what was wrong in it corrected. */
  readonly config: Aquila2Config
  /** Fields that must replace those of the repository's config.json; empty where that is right. */
  readonly overrides: Readonly<Partial<Aquila2Config>>
  /** Base models have none of their own: `templateOf` names what the reference code would use. */
  readonly template: TemplateName
  readonly kind: 'base' | 'chat'
  /** The commit that was checked; absent where none was. */
  readonly revision?: string
  /** SHA-256 by file at that revision; absent where unknown. */
  readonly sha256?: Readonly<Record<string, string>>
}

const linear = (factor: number): RopeScaling => ({ type: 'linear', factor })

function entry(
  name: string,
  config: Aquila2Config,
  kind: CatalogueEntry['kind'],
  overrides: CatalogueEntry['overrides'] = {},
): CatalogueEntry {
  const { name: template } = templateOf(name)
  return { name, repo: `BAAI/${name}`, config: { ...config, ...overrides }, overrides, template, kind }
}

/**
 * All published models. The 16K chats were trained with interpolated positions, which one revision of their configurations
 * lacks and another hides behind a doubled key.
 */
export const catalogue: readonly CatalogueEntry[] = [
  entry('Aquila2-7B', configs['aquila2-7b'], 'base'),
  entry('Aquila2-34B', configs['aquila2-34b'], 'base'),
  entry('Aquila2-70B-Expr', configs['aquila2-70b'], 'base'),
  entry('AquilaChat2-7B', configs['aquila2-7b'], 'chat'),
  entry('AquilaChat2-34B', configs['aquila2-34b'], 'chat'),
  entry('AquilaChat2-70B-Expr', configs['aquila2-70b'], 'chat'),
  entry('AquilaChat2-7B-16K', configs['aquila2-7b'], 'chat', { rope_scaling: linear(8) }),
  entry('AquilaChat2-34B-16K', configs['aquila2-34b'], 'chat', { rope_scaling: linear(4) }),
]

/** The entry of a model name, a repository (`BAAI/AquilaChat2-7B`) or a path that ends in one; undefined when there is none. */
export function catalogueEntry(name: string): CatalogueEntry | undefined {
  const last = lastPart(name)
  return catalogue.find((candidate) => candidate.name.toLowerCase() === last)
}

function lastPart(name: string): string {
  return name
    .replace(/[\\/]+$/, '')
    .split(/[\\/]/)
    .at(-1)!
    .toLowerCase() // split never gives an empty list
}
