/** Tokens by id and ids by token. */
import { type AddedToken } from './addedTokens.js'
import { shown, TokenizerError } from './errors.js'

/** Larger ids are an error of the file: tables of that length are made for them. */
const LARGEST_ID = (1 << 22) - 1

/** The tokens of a model and the added ones, as their files spell them. */
export class Vocabulary {
  readonly ids: ReadonlyMap<string, number>
  /** By id; undefined where no token has it. */
  readonly tokens: readonly (string | undefined)[]

  private constructor(ids: Map<string, number>, tokens: (string | undefined)[]) {
    this.ids = ids
    this.tokens = tokens
  }

  /** Largest id + 1. */
  get size(): number {
    return this.tokens.length
  }

  /**
   * @param file the name for messages
   * @throws TokenizerError when an id is no id, or two tokens have the same one
   */
  static of(entries: Iterable<readonly [string, unknown]>, added: readonly AddedToken[], file: string): Vocabulary {
    const ids = new Map<string, number>()
    const tokens: (string | undefined)[] = []
    const add = (token: string, id: unknown): void => {
      requireId(id, token, file)
      if (ids.get(token) === id) return
      if (ids.has(token) || tokens[id] !== undefined)
        throw new TokenizerError(
          `${file}: every token has one id of its own, got ${shown(token)} with id ${id}, which ` +
            (ids.has(token) ? `already has id ${ids.get(token)}` : `belongs to ${shown(tokens[id])}`),
          { file },
        )
      while (tokens.length <= id) tokens.push(undefined)
      tokens[id] = token
      ids.set(token, id)
    }
    for (const [token, id] of entries) add(token, id)
    for (const { content, id } of added) add(content, id)
    return new Vocabulary(ids, tokens)
  }
}

function requireId(id: unknown, token: string, file: string): asserts id is number {
  if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > LARGEST_ID)
    throw new TokenizerError(
      `${file}: the id of ${shown(token)} must be an integer from 0 to ${LARGEST_ID}, got ${shown(id)}`,
      { file },
    )
}
