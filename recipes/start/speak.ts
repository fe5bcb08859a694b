/** The words of a language. */
import type { Language, Messages } from './messages.js'
import { chinese } from './messagesChinese.js'
import { english } from './messagesEnglish.js'

/** The words of a language. */
export function messagesIn(language: Language): Messages {
  return language === 'zh' ? chinese : english
}
