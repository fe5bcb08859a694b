/**
 * Index maps: where an element of a value lies, as affine functions of a group's domain axes plus data-dependent terms.
 * Movement operators (reshape, transpose, slice, pad, …) are compositions of these maps, not work.
 */
import { sizeOf, stridesOf } from '../shape.js'
import type { Value } from './value.js'

/** Σ coefs[a]·index(axis a) + offset + Σ dynamic terms. Mutable: splitting an axis rewrites `coefs` in place. */
export interface Dim {
  coefs: number[]
  readonly offset: number
  readonly dynamic: readonly DynamicTerm[]
}

export type DynamicTerm =
  /** scale · value, an i32 value evaluated at an instance of its own; `clamp` is the largest result (the smallest is 0). */
  | {
      readonly kind: 'value'
      readonly value: Value
      readonly instance: Instance
      readonly scale: number
      readonly clamp?: number
    }
  /** scale · floor(of / by) and scale · (of mod by); `of` is not negative where it matters. */
  | { readonly kind: 'quotient' | 'remainder'; readonly of: Dim; readonly by: number; readonly scale: number }

/** A condition under which an instance is read at all. */
export type Guard =
  | { readonly kind: 'range'; readonly dim: Dim; readonly extent: number }
  | { readonly kind: 'multiple'; readonly dim: Dim; readonly by: number }

/** One way in which a value is read by a group. `linear` replaces `map` where the axes cannot be told apart any more. */
export interface Instance {
  readonly map: readonly Dim[] | null
  /** Row-major element number, present when `map` is null: the value must be in memory. */
  readonly linear: Dim | null
  readonly guards: readonly Guard[]
  /** Reductions between this value and the stores of the group. */
  readonly depth: number
}

/** Axes are not split into rows shorter than this: a vector unit would run out of elements. */
const SHORT_ROW = 16

/** The domain axes of a group and all dims defined over them, so that an axis can be split. */
export class Domain {
  readonly extents: number[] = []
  /** The axis that may not be split: the inner axis of a group with reductions. */
  locked = -1
  readonly #dims: Dim[] = []
  /** Keys of instances, until an axis is split or added. */
  #keys = new Map<Instance, string>()

  /** Equal for instances that read the same elements under the same guards. */
  keyOf(instance: Instance): string {
    let key = this.#keys.get(instance)
    if (key === undefined) {
      key = instanceKey(instance)
      this.#keys.set(instance, key)
    }
    return key
  }

  addAxis(extent: number): number {
    this.extents.push(extent)
    this.#keys = new Map()
    for (const dim of this.#dims) dim.coefs.push(0)
    return this.extents.length - 1
  }

  dim(coefs: readonly number[], offset: number, dynamic: readonly DynamicTerm[] = []): Dim {
    const dim: Dim = { coefs: [...coefs], offset, dynamic }
    while (dim.coefs.length < this.extents.length) dim.coefs.push(0)
    this.#dims.push(dim)
    return dim
  }

  constant(offset: number): Dim {
    return this.dim([], offset)
  }

  axis(axis: number): Dim {
    const coefs = this.extents.map((_, k) => (k === axis ? 1 : 0))
    return this.dim(coefs, 0)
  }

  /** factor·dim + shift */
  scaled(dim: Dim, factor: number, shift: number): Dim {
    if (factor === 1 && shift === 0) return dim
    const dynamic = dim.dynamic.map((term) => ({ ...term, scale: term.scale * factor }))
    return this.dim(
      dim.coefs.map((coef) => coef * factor),
      dim.offset * factor + shift,
      dynamic,
    )
  }

  sum(a: Dim, b: Dim): Dim {
    const { terms, whole } = recombined([...a.dynamic, ...b.dynamic])
    const total = this.dim(
      a.coefs.map((coef, k) => coef + b.coefs[k]),
      a.offset + b.offset,
      terms,
    )
    return whole === null ? total : this.sum(total, this.scaled(whole.of, whole.scale, 0))
  }

  /** Row-major element number of an index into `shape`. */
  linear(map: readonly Dim[], shape: readonly number[]): Dim {
    const strides = stridesOf(shape)
    let total = this.constant(0)
    map.forEach((dim, k) => {
      total = this.sum(total, this.scaled(dim, strides[k], 0))
    })
    return total
  }

  /** Axis `axis` of extent n becomes n/low (in its place) and `low` (right after it). */
  split(axis: number, low: number): void {
    const extent = this.extents[axis]
    this.#keys = new Map()
    this.extents.splice(axis, 1, extent / low, low)
    for (const dim of this.#dims) {
      const coef = dim.coefs[axis]
      dim.coefs.splice(axis, 1, coef * low, coef)
    }
    if (this.locked > axis) this.locked++
  }

  /**
   * `dim` as it is wherever 0 <= dim < extent: parts that are multiples of `extent` cancel there. A domain axis is split where that
   * brings such parts out (three heads side by side, read by three padded parts), unless it would leave very short rows.
   */
  narrowed(dim: Dim, extent: number): Dim {
    if (dim.dynamic.length > 0 || extent <= 1) return dim
    const { min, max } = this.range(dim)
    if (min >= 0 && max < extent) return dim
    const low = dim.coefs.map((coef) => (coef % extent === 0 ? 0 : coef))
    for (let axis = 0; axis < low.length; axis++) {
      const coef = low[axis]
      if (coef === 0 || this.extents[axis] <= 1) continue
      if (coef < 0 || coef > extent) return dim
      if (coef * this.extents[axis] <= extent) continue
      const part = extent / coef
      if (axis === this.locked || !Number.isInteger(part) || part < SHORT_ROW || this.extents[axis] % part !== 0)
        return dim
      this.split(axis, part)
      return this.narrowed(dim, extent)
    }
    const rest = ((dim.offset % extent) + extent) % extent
    const narrow = this.dim(low, rest)
    return this.range(narrow).max < extent ? narrow : dim
  }

  /** Smallest and largest value of the affine part. */
  range(dim: Dim): { min: number; max: number } {
    let min = dim.offset
    let max = dim.offset
    dim.coefs.forEach((coef, k) => {
      const reach = coef * Math.max(0, this.extents[k] - 1)
      if (reach < 0) min += reach
      else max += reach
    })
    return { min, max }
  }

  /**
   * The map of x where `to` = shape of x and `map` indexes reshape(x, from): splits axes where that helps.
   * Null when the axes of x cannot be told apart by affine functions.
   */
  reshape(map: readonly Dim[], from: readonly number[], to: readonly number[]): Dim[] | null {
    if (sizeOf(from) === 0) return to.map(() => this.constant(0))
    const result = new Array<Dim>(to.length)
    for (const segment of reshapeSegments(from, to)) {
      const dims = this.#reshapeSegment(map, from, to, segment)
      if (dims === null) return null
      dims.forEach((dim, k) => {
        result[segment.toBegin + k] = dim
      })
    }
    return result
  }

  #reshapeSegment(map: readonly Dim[], from: readonly number[], to: readonly number[], s: Segment): Dim[] | null {
    const fromShape = from.slice(s.fromBegin, s.fromEnd)
    const toShape = to.slice(s.toBegin, s.toEnd)
    const fromReal = fromShape.map((n, k) => (n > 1 ? k : -1)).filter((k) => k >= 0)
    const toReal = toShape.map((n, k) => (n > 1 ? k : -1)).filter((k) => k >= 0)
    const dims: Dim[] = toShape.map(() => this.constant(0))
    if (toReal.length === 0) return dims
    if (fromReal.length === 1 && toReal.length === 1) {
      dims[toReal[0]] = map[s.fromBegin + fromReal[0]]
      return dims
    }
    const linear = this.linear(map.slice(s.fromBegin, s.fromEnd), fromShape)
    if (toReal.length === 1) {
      dims[toReal[0]] = linear
      return dims
    }
    return this.#unflatten(linear, toShape)
  }

  /** Digits of an affine number in the mixed radix of `shape`. */
  #unflatten(linear: Dim, shape: readonly number[]): Dim[] | null {
    if (linear.dynamic.length > 0 || linear.offset !== 0) return null
    const strides = stridesOf(shape)
    const coefs = shape.map(() => new Array<number>(this.extents.length).fill(0))
    let divided: { digits: ReadonlyMap<number, Dim> } | null = null
    for (let axis = 0; axis < this.extents.length; axis++) {
      const coef = linear.coefs[axis]
      const extent = this.extents[axis]
      if (coef === 0 || extent <= 1) continue
      if (coef < 0) return null
      const digit = strides.findIndex((stride, k) => shape[k] > 1 && coef % stride === 0 && coef / stride < shape[k])
      if (digit < 0) return null
      const unit = coef / strides[digit]
      if (unit * extent <= shape[digit]) {
        coefs[digit][axis] = unit
        continue
      }
      if (axis === this.locked) {
        if (unit !== 1) return null
        divided = { digits: this.#dividedDigits(axis, shape, digit) }
        continue
      }
      // The axis runs over the digit's end: split it there and start again with the finer axes.
      const low = shape[digit] / unit
      if (!Number.isInteger(low) || low <= 1 || extent % low !== 0) return null
      this.split(axis, low)
      return this.#unflatten(linear, shape)
    }
    // Several axes may share a digit; together they must stay below its size, or they would carry.
    const dims = coefs.map((list) => this.dim(list, 0))
    if (dims.some((dim, k) => this.range(dim).max >= Math.max(1, shape[k]))) return null
    for (const [k, digit] of divided?.digits ?? []) {
      if (coefs[k].some((coef) => coef !== 0)) return null
      dims[k] = digit
    }
    return dims
  }

  /** Digits of the inner axis of a reduction, which cannot be split: by division. They mostly recombine when an address is formed. */
  #dividedDigits(axis: number, shape: readonly number[], lowest: number): Map<number, Dim> {
    const digits = new Map<number, Dim>()
    let rest = this.axis(axis)
    let left = this.extents[axis]
    for (let k = lowest; k >= 0 && left > 1; k--) {
      const by = shape[k]
      if (by === 1) continue
      digits.set(k, left <= by ? rest : this.dim([], 0, [{ kind: 'remainder', of: rest, by, scale: 1 }]))
      rest = this.dim([], 0, [{ kind: 'quotient', of: rest, by, scale: 1 }])
      left = Math.ceil(left / by)
    }
    return digits
  }
}

/** Finds by·(of / by) + of mod by = of among terms. */
function recombined(terms: readonly DynamicTerm[]): { terms: DynamicTerm[]; whole: { of: Dim; scale: number } | null } {
  for (const remainder of terms) {
    if (remainder.kind !== 'remainder') continue
    const quotient = terms.find(
      (term) =>
        term.kind === 'quotient' &&
        term.by === remainder.by &&
        term.scale === remainder.scale * remainder.by &&
        dimKey(term.of) === dimKey(remainder.of),
    )
    if (quotient !== undefined)
      return {
        terms: terms.filter((term) => term !== remainder && term !== quotient),
        whole: { of: remainder.of, scale: remainder.scale },
      }
  }
  return { terms: [...terms], whole: null }
}

interface Segment {
  readonly fromBegin: number
  readonly fromEnd: number
  readonly toBegin: number
  readonly toEnd: number
}

/** Cuts a reshape into the smallest runs of axes with equal products. */
export function reshapeSegments(from: readonly number[], to: readonly number[]): Segment[] {
  const segments: Segment[] = []
  let i = 0
  let j = 0
  while (i < from.length || j < to.length) {
    const fromBegin = i
    const toBegin = j
    let left = i < from.length ? from[i++] : 1
    let right = j < to.length ? to[j++] : 1
    while (left !== right) {
      if (left < right) left *= i < from.length ? from[i++] : right
      else right *= j < to.length ? to[j++] : left
    }
    segments.push({ fromBegin, fromEnd: i, toBegin, toEnd: j })
  }
  return segments
}

/**
 * Whether a linear address visits `size` elements exactly once over the given axes (and is constant over the others).
 * True means: storing there writes a dense buffer of that size.
 */
export function isBijective(domain: Domain, linear: Dim, axes: readonly number[], size: number): boolean {
  if (linear.offset !== 0 || linear.dynamic.length > 0) return false
  const used = linear.coefs
    .map((coef, axis) => ({ coef, axis }))
    .filter(({ coef, axis }) => coef !== 0 && domain.extents[axis] > 1)
  const wanted = axes.filter((axis) => domain.extents[axis] > 1)
  if (used.length !== wanted.length || used.some(({ axis }) => !wanted.includes(axis))) return false
  used.sort((a, b) => a.coef - b.coef)
  let next = 1
  for (const { coef, axis } of used) {
    if (coef !== next) return false
    next *= domain.extents[axis]
  }
  return next === size
}

export function instanceKey(instance: Instance): string {
  const map = instance.map === null ? `L${dimKey(instance.linear as Dim)}` : instance.map.map(dimKey).join(';')
  return `${map}?${instance.guards.map(guardKey).join('&')}`
}

export function dimKey(dim: Dim): string {
  let key = `${dim.coefs.join(',')}+${dim.offset}`
  for (const term of dim.dynamic) {
    key +=
      term.kind === 'value'
        ? `+${term.scale}*v${term.value.id}<${term.clamp ?? ''}(${instanceKey(term.instance)})`
        : `+${term.scale}*(${dimKey(term.of)})${term.kind === 'quotient' ? '/' : '%'}${term.by}`
  }
  return key
}

export function guardKey(guard: Guard): string {
  return guard.kind === 'range' ? `${dimKey(guard.dim)}<${guard.extent}` : `${dimKey(guard.dim)}%${guard.by}`
}
