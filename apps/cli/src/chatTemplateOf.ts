/** Which chat template a model's folder asks for. */
import {
  type AquilaTemplateName,
  type ChatTemplate,
  type JinjaSource,
  aquilaTemplates,
  jinjaTemplate,
} from '@tarazed/lm'
import { Failure } from './failure.js'
import type { Talker } from './loadModel.js'

/** Names for `--template`. */
export const TEMPLATE_NAMES = ['jinja', ...Object.keys(aquilaTemplates)] as const

/**
 * The template by name; without one the folder's own `chat_template` if it has one, else that of the model's name.
 * @throws Failure when `jinja` is asked for and the folder has none
 */
export async function chatTemplateOf(
  talker: Talker,
  named: string | undefined,
  onNotice: (message: string) => void,
): Promise<AquilaTemplateName | ChatTemplate> {
  if (named !== undefined && named !== 'jinja') return named as AquilaTemplateName
  const source = await jinjaSource(talker)
  if (source !== undefined) return jinjaTemplate(source, { tokenizer: talker.tokenizer })
  if (named === undefined) {
    if (talker.templateNotice !== undefined) onNotice(talker.templateNotice)
    return talker.template
  }
  throw new Failure({
    en: `${talker.folder.name} has no chat_template; choose one of ${Object.keys(aquilaTemplates).join(', ')}`,
    zh: `${talker.folder.name} 中没有 chat_template；请在 ${Object.keys(aquilaTemplates).join('、')} 中选择`,
  })
}

async function jinjaSource({ folder }: Talker): Promise<JinjaSource | undefined> {
  const file = await folder.readText('chat_template.jinja')
  if (file !== undefined) return file
  const config = await folder.readText('tokenizer_config.json')
  if (config === undefined) return undefined
  return (JSON.parse(config) as { chat_template?: JinjaSource } | null)?.chat_template
}
