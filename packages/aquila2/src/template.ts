/** Which of Aquila's chat templates a model was tuned with. The templates themselves are in `@tarazed/lm`. */
import { type AquilaTemplateName, templateFor } from '@tarazed/lm'
import type { Aquila2Config } from './config.js'
import { OptionError, shown } from './errors.js'

/** Names of the templates, as in the reference code. */
export type TemplateName = AquilaTemplateName

/** A template, and whether the name of the model was known. */
export interface TemplateChoice {
  readonly name: TemplateName
  /** Why it was chosen, when no model of this name was published. */
  readonly notice?: string
}

/**
 * The chat template of a model by its name, as `templateFor` of `@tarazed/lm` finds it.
 *
 * @param model a name, a repository or path that ends in one, or a configuration with `_name_or_path`
 */
export function templateOf(model: string | Aquila2Config): TemplateChoice {
  if (typeof model !== 'string' && (typeof model !== 'object' || model === null))
    throw new OptionError(`templateOf: model is a name or a configuration, got ${shown(model)}`, 'model')
  const name = typeof model === 'string' ? model : model._name_or_path
  let notice: string | undefined
  const onNotice = (message: string) => (notice = message)
  const template = templateFor(typeof name === 'string' ? name : '', { onNotice })
  return { name: template.name as TemplateName, ...(notice !== undefined && { notice }) }
}
