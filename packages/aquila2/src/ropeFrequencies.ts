/** How fast the pairs of a head turn: the inverse frequencies of the rotary embedding with its two scalings. */
import { type Aquila2Config, headDim, ropeScaling } from './config.js'

/**
 * Angle per position of every pair of channels, head_dim/2 numbers: theta^(-2i/d).
 *
 * - `linear` scaling divides positions by the factor, here the frequencies (arXiv 2306.15595);
 * - `dynamic` scaling, beyond Lmax = max_position_embeddings, enlarges theta to theta·((s·L/Lmax) - (s-1))^(d/(d-2)).
 *
 * @param length L, the planned length of the sequence; only `dynamic` looks at it
 * @throws ConfigError for a scaling that Aquila2 does not have
 */
export function ropeFrequencies(config: Aquila2Config, length = 0): number[] {
  const d = headDim(config)
  const scaling = ropeScaling(config)
  const theta = scaling?.type === 'dynamic' ? dynamicBase(config, d, scaling.factor, length) : config.rope_theta
  const divisor = scaling?.type === 'linear' ? scaling.factor : 1
  return Array.from({ length: d / 2 }, (_, i) => theta ** ((-2 * i) / d) / divisor)
}

function dynamicBase(config: Aquila2Config, d: number, factor: number, length: number): number {
  const { rope_theta: theta, max_position_embeddings: limit } = config
  if (length <= limit) return theta
  return theta * ((factor * length) / limit - (factor - 1)) ** (d / (d - 2))
}
