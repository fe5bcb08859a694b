/** Everything that the command says, it says in English or Chinese. */

/** The languages of messages. */
export type Language = 'en' | 'zh'

/** One text in every language. */
export type Text = Readonly<Record<Language, string>>

/** Chinese when the locale says so, as `LANG=zh_CN.UTF-8`. */
export function languageFrom(env: Readonly<Record<string, string | undefined>>): Language {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || ''
  return /^zh/i.test(locale) ? 'zh' : 'en'
}

/** The language in which errors of the command line itself are told: `--lang` may be what is wrong. */
export function requestedLanguage(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Language {
  const at = args.indexOf('--lang')
  const given = args.find((arg) => arg.startsWith('--lang='))?.slice('--lang='.length) ?? (at < 0 ? '' : args[at + 1])
  return given === 'en' || given === 'zh' ? given : languageFrom(env)
}
