/** A configuration while it is read. */

/** Fields under construction. */
export type RawConfig = Record<string, unknown>

/** Tells of something odd about a field. */
export type Warn = (field: string, message: string) => void
