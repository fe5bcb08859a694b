/**
 * Block-quantised weights: how the operands of `quantMatmul` lie in memory. A weight has N output features (rows) of K inputs.
 *
 * | format | packed | element | value |
 * |---|---|---|---|
 * | int8 | i8 [N, K] | q = packed | q · scale |
 * | int4 | u8 [N, K/2] | q in 0 … 15 | (q - zero) · scale |
 * | int4sym | u8 [N, K/2] | q in 0 … 15 | (q - 8) · scale |
 * | nf4 | u8 [N, K/2] | q in 0 … 15 | NF4_LEVELS[q] · scale |
 *
 * scale: f32 [N, K/group]; zero (int4 only): u8 [N, K/group]; element k of a row belongs to group floor(k / group).
 * `group` divides K; int8 per channel has group = K. In the 4-bit formats K and group are multiples of 32, and every 32 elements
 * of a row fill 16 bytes: byte j of them holds element j in its low half and element j + 16 in its high half, so that a vector
 * register unpacks without interleaving.
 */
export type QuantFormat = 'int8' | 'int4' | 'int4sym' | 'nf4'

/** Every format once, for checks of user input. */
export const QUANT_FORMATS: readonly QuantFormat[] = ['int8', 'int4', 'int4sym', 'nf4']

/** Elements of K that are packed together in the 4-bit formats. */
export const QUANT_BLOCK = 32

/** The 16 levels of NormalFloat4. @source arXiv 2305.14314, appendix E */
export const NF4_LEVELS: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]
