/** Arguments of public functions, checked: plain JavaScript has no types that would refuse a wrong one. */
import { ArgumentError } from '@tarazed/tensor'

/** @throws ArgumentError unless it is a list of integers in [0, vocabSize) */
export function checkTokenIds(op: string, option: string, ids: unknown, vocabSize: number): void {
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids))
    throw new ArgumentError(`${op}: ${option} must be a list of token ids, got ${show(ids)}; write [id, …]`)
  for (const id of ids as readonly unknown[])
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= vocabSize)
      throw new ArgumentError(
        `${op}: ${option} must name tokens of the vocabulary, 0 … ${vocabSize - 1}, got ${show(id)}; look the id up with tokenizer.tokenToId`,
      )
}

/** A value in a message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return `an object of class ${value.constructor?.name ?? 'none'}`
  return String(value)
}

/** @throws ArgumentError unless it is left out or an integer of at least `least` */
export function requireCount(op: string, name: string, value: unknown, least: number): void {
  if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= least))
    throw new ArgumentError(`${op}: ${name} must be an integer of at least ${least}, got ${show(value)}`)
}

/** @throws ArgumentError */
export function requireString(op: string, name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new ArgumentError(`${op}: ${name} must be a string, got ${show(value)}`)
}

/** @throws ArgumentError unless it is a list of strings that are not empty */
export function requireStrings(op: string, name: string, value: unknown): asserts value is readonly string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '')) return
  throw new ArgumentError(
    `${op}: ${name} must be a list of strings that are not empty, got ${show(value)}; write ['…']`,
  )
}

/** @throws ArgumentError unless it is left out or true or false */
export function requireFlag(op: string, name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean')
    throw new ArgumentError(`${op}: ${name} must be true or false, got ${show(value)}`)
}

/** @throws ArgumentError unless it is left out or a function */
export function requireFunction(op: string, name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function')
    throw new ArgumentError(`${op}: ${name} must be a function, got ${show(value)}`)
}

/** @throws ArgumentError unless it is left out or an AbortSignal */
export function requireSignal(op: string, signal: unknown): void {
  if (signal === undefined || typeof (signal as Partial<AbortSignal> | null)?.throwIfAborted === 'function') return
  throw new ArgumentError(
    `${op}: signal must be an AbortSignal, got ${show(signal)}; pass new AbortController().signal`,
  )
}
