/** Which of Aquila's chat templates a model was tuned with. Rendering is in `@tarazed/lm`. */
import type { Aquila2Config } from './config.js'
import { OptionError, shown } from './errors.js'

/** Names of the templates, as in the reference code. */
export type TemplateName = 'aquila-v1' | 'aquila-v2' | 'aquila-legacy' | 'aquila' | 'aquila-chat'

/** A template, and whether the name of the model was known. */
export interface TemplateChoice {
  readonly name: TemplateName
  /** Why it was chosen, when no model of this name was published. */
  readonly notice?: string
}

const BY_MODEL: Readonly<Record<string, TemplateName>> = {
  'aquilachat2-7b': 'aquila-v1',
  'aquilachat2-34b': 'aquila-legacy',
  'aquilachat2-70b-expr': 'aquila-v2',
  'aquilachat2-7b-16k': 'aquila',
  'aquilachat2-34b-16k': 'aquila',
}

/**
 * The chat template of a model by its name: the last part of a repository or path, in any case, without the version
 * (`-v1.2`), number format (`-int4`, `-gptq`, `-awq`) or file ending behind it.
 *
 * @param model a name, or a configuration with `_name_or_path`
 * @source `flagai/model/aquila2/conversation.py`; unknown names get `aquila-chat` there too
 */
export function templateOf(model: string | Aquila2Config): TemplateChoice {
  const name = typeof model === 'string' ? model : model?._name_or_path
  if (typeof model !== 'string' && (typeof model !== 'object' || model === null))
    throw new OptionError(`templateOf: model is a name or a configuration, got ${shown(model)}`, 'model')
  const known = typeof name === 'string' ? BY_MODEL[published(name)] : undefined
  if (known !== undefined) return { name: known }
  return {
    name: 'aquila-chat',
    notice: `no Aquila2 chat model is called ${shown(name)}; the template aquila-chat is used, as in the reference code`,
  }
}

function published(name: string): string {
  const last = name
    .replace(/[\\/]+$/, '')
    .split(/[\\/]/)
    .at(-1)!
    .toLowerCase() // split never gives an empty list
  return last
    .replace(/\.(gguf|safetensors|bin)$/, '')
    .replace(/(-v\d+(\.\d+)*|-int\d|-gptq|-awq|-bnb|[-.](q\d\w*|f16|bf16|f32))+$/, '')
}
