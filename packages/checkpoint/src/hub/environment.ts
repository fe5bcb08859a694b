/** Settings that the ecosystem shares through environment variables; pages have none. */

/** Value of a variable, undefined where there are none. */
export function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  const value = process?.env?.[name]
  return value === '' ? undefined : value
}

/** `HF_HUB_OFFLINE` is on for these. */
export function isOn(value: string | undefined): boolean {
  return value !== undefined && ['1', 'ON', 'YES', 'TRUE'].includes(value.toUpperCase())
}
