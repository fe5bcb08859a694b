/**
 * The routine library's contract: names, attributes, operands, results. All floats are accumulated in f32
 * (float64 backends: f64); a narrow float result is rounded once at the end.
 *
 * | routine | attrs | operands | results |
 * |---|---|---|---|
 * | matmul | – | a [Z…, M, K], b [Z…, K, N]: any strides (0 on broadcast batch axes); f32 f16 bf16, i32 (wraps) | [Z…, M, N] |
 * | groupedMatmul | contract: columns | a [N, K], b [E, K, M], offsets i32 [E + 1]: any strides; f32 f16 bf16 | [N, M]: row n times the matrix of its group; zeros outside of all groups |
 * | | contract: rows | a [N, K], b [N, M], offsets i32 [E + 1]: any strides | [E, K, M]: aᵀ b over the rows of each group |
 * | quantMatmul | format: int8 int4 int4sym nf4; group; activations: f32 i16 i8 | x [M, K], packed, scale, zero? (see `quant.ts`) | [M, N] |
 * | groupedQuantMatmul | as quantMatmul | x [N, K], packed, scale, zero? of E weights one after the other, offsets i32 [E + 1] | [N, M]: row n times the weight of its group; zeros outside of all groups |
 * | conv | stride, padLow, padHigh (may be negative), lhsDilation, rhsDilation (one per spatial axis), groups | x [N, C, S…], w [O, C/groups, K…]; one to three spatial axes; cross-correlation | [N, O, S'…] |
 * | attention | causal: none topLeft bottomRight; scale; mask: none bool float | q [B,H,T,D], k [B,G,S,D], v [B,G,S,E], mask? [B|1,H|1,T|1,S|1 by strides], length? i32 [] (keys in use) | out [B,H,T,E], lse f32 [B,H,T] |
 * | attentionGrad | as attention | q, k, v, out, lse, dout, mask?, length? | dq, dk, dv |
 * | scatterAdd | axis | x, index i32 (rank of x), updates (shape of index) | like x; out-of-range writes dropped; deterministic: updates added in row-major order |
 * | sort | axis, descending | x | values, order i32; stable, NaN last (first when descending) |
 * | cumulative | kind: sum prod max min; axis; exclusive; reverse | x | like x |
 * | copy | – | x (any strides) | dense |
 *
 * matmul starts each block of K ≤ 256 at zero and adds the blocks in order, so that results depend on shapes alone:
 * not on tiles, threads or strides. A row of attention that may see nothing gives zeros and lse = -Infinity.
 *
 * Group e has rows offsets[e] … offsets[e+1]-1. Offsets are clamped to 0 … N and raised to the one before, so that any numbers are
 * legal; rows outside of all groups are never read. The rows of a group have the bits of a matmul of their own.
 */
import type { RoutineName } from './ir.js'

/**
 * Terms of a product that are added up from zero before the block joins the total: part of the contract of matmul's
 * bits.
 */
export const MATMUL_K_BLOCK = 256

/** Every routine once, as in the table above. */
export const ROUTINE_NAMES: readonly RoutineName[] = [
  'matmul',
  'groupedMatmul',
  'quantMatmul',
  'groupedQuantMatmul',
  'attention',
  'attentionGrad',
  'conv',
  'scatterAdd',
  'sort',
  'cumulative',
  'copy',
]
