/** The product of decoding: one row of activations with an int4 matrix, 4096×4096, groups of 128. */
import { atLeastShare, ONE_RELAXED, TWO_RELAXED, type Bench } from '../bench.js'

export const DECODE_CASES = [
  { name: 'i8 activations', activations: 'i8', share: 0.6 },
  { name: 'i16 activations', activations: 'i16', share: 0.45 },
  { name: 'f32 activations', activations: 'f32', share: 0.12 },
] as const

export const decodeInt4: Bench = {
  name: 'decode-int4',
  about:
    'int4 matrix-vector product 4096×4096, groups of 128: GB/s of weights as a share of the copy bandwidth; errors',
  rows: [
    ...DECODE_CASES.map(
      ({ name, share }) =>
        ({
          case: name,
          unit: 'GB/s',
          better: 'higher',
          ours: ONE_RELAXED,
          peers: [],
          ceiling: 'copy',
          bars: [atLeastShare(share)],
        }) as const,
    ),
    ...DECODE_CASES.map(
      ({ name }) =>
        ({
          case: name,
          label: `${name}, 2 threads`,
          unit: 'GB/s',
          better: 'higher',
          ours: TWO_RELAXED,
          peers: [],
          ceiling: 'copy',
        }) as const,
    ),
    ...DECODE_CASES.map(
      ({ name }) =>
        ({ case: `${name}: error`, unit: 'relative', better: 'lower', ours: ONE_RELAXED, peers: [] }) as const,
    ),
  ],
}
