/** Which template a model was trained with. */
import { ArgumentError, checkOptions } from '@tarazed/tensor'
import { requireFunction, requireString, show } from '../check.js'
import { type AquilaTemplateName, aquilaTemplates } from './aquilaTemplates.js'
import { type ChatTemplate } from './chatTemplate.js'

/** How `templateFor` reads a name. */
export interface TemplateForOptions {
  /**
   * `model` (default): the name or folder of a model, or of a template. `string`: the reference's rule for strings, which looks for the names
   * of templates inside.
   */
  readonly rule?: 'model' | 'string'
  /** Told when a model's name is not known and `aquila-chat` is taken. */
  readonly onNotice?: (message: string) => void
}

/** By the names under which the models were published. */
const MODELS: Readonly<Record<string, AquilaTemplateName>> = {
  'aquilachat2-7b': 'aquila-v1',
  'aquilachat2-34b': 'aquila-legacy',
  'aquilachat2-70b-expr': 'aquila-v2',
  'aquilachat2-7b-16k': 'aquila',
  'aquilachat2-34b-16k': 'aquila',
}

/** In this order; the first that a string contains counts. */
const IN_STRINGS: readonly AquilaTemplateName[] = ['aquila-v1', 'aquila-v2', 'aquila-chat', 'aquila-legacy']

/** Endings of the published names that tell the version, and how weights are stored. */
const VARIANT = /((-v\d+(\.\d+)*)|(-(int4|int8|4bit|8bit|gptq|awq|nf4|bnb|gguf))|([-.](q\d\w*|f16|bf16|f32)))+$/
const FILE_ENDING = /\.(gguf|safetensors|bin)$/

/**
 * The chat template of a model: `AquilaChat2-7B` → aquila-v1, `-34B` → aquila-legacy, `-70B-Expr` → aquila-v2, `-7B-16K` and `-34B-16K` →
 * aquila, any other name → aquila-chat with a notice. Case, an owner or folders before the name, and a version, number format or file ending
 * behind it (`BAAI/AquilaChat2-34B-v1.2-Int4-GPTQ`) do not matter; the name of a template gives that template.
 *
 * @throws ArgumentError for anything but a string
 * @source FlagAI-Open/Aquila2; the rule for strings: FlagAI, get_conv_template
 */
export function templateFor(name: string, options: TemplateForOptions = {}): ChatTemplate {
  const { rule = 'model', onNotice } = checkOptions('templateFor', options, ['rule', 'onNotice'])
  requireString('templateFor', 'name', name)
  requireFunction('templateFor', 'onNotice', onNotice)
  switch (rule) {
    case 'string':
      return aquilaTemplates[IN_STRINGS.find((template) => name.includes(template)) ?? 'aquila']
    case 'model':
      return ofModel(name, onNotice)
    default:
      rule satisfies never
      throw new ArgumentError(`templateFor: rule must be 'model' or 'string', got ${show(rule)}`)
  }
}

function ofModel(name: string, onNotice: TemplateForOptions['onNotice']): ChatTemplate {
  const last = name
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)! // split gives at least one part
    .toLowerCase()
  if (Object.hasOwn(aquilaTemplates, last)) return aquilaTemplates[last as AquilaTemplateName]
  const published = last.replace(FILE_ENDING, '').replace(VARIANT, '')
  if (Object.hasOwn(MODELS, published)) return aquilaTemplates[MODELS[published]]
  onNotice?.(
    `no template is known for ${show(name)}, so aquila-chat is taken; name one of ${Object.keys(aquilaTemplates).join(', ')} to choose`,
  )
  return aquilaTemplates['aquila-chat']
}

/**
 * A template as a caller names it.
 * @throws ArgumentError for an unknown name
 */
export function resolveTemplate(op: string, template: unknown): ChatTemplate {
  if (typeof template === 'string' && Object.hasOwn(aquilaTemplates, template))
    return aquilaTemplates[template as AquilaTemplateName]
  const { render, stops } = (typeof template === 'object' && template !== null ? template : {}) as Partial<ChatTemplate>
  if (typeof render === 'function' && Array.isArray(stops)) return template as ChatTemplate
  throw new ArgumentError(
    `${op}: template must be one of ${Object.keys(aquilaTemplates).join(', ')} or what templateFor or jinjaTemplate gives, got ${show(template)}; templateFor(modelName) chooses one`,
  )
}
