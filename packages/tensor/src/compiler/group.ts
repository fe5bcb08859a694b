/** A fused step while it is being formed: its domain, the values computed in it and how each is read. */
import { isPointwise } from '../graph/primitive.js'
import { InternalError } from '../errors.js'
import { MAX_PHASES } from '../program/ir.js'
import { Domain, isBijective, type Dim, type Guard, type Instance } from './indexMap.js'
import { attrsOf, type Value } from './value.js'

/** One store of a group: the value in full, over all axes (`element`) or over the outer ones (`row`). */
export interface Root {
  readonly value: Value
  readonly instance: Instance
}

export class Group {
  readonly domain = new Domain()
  readonly roots: Root[] = []
  /** Instances by value, of values that are computed here or loaded. */
  readonly demands = new Map<Value, Map<string, Instance>>()
  /** Instance of a placed value -> instances of its operands. Pointwise values share instances, hence the inner map. */
  readonly #operandsOf = new Map<Instance, Map<Value, readonly Instance[]>>()
  /** Values computed here. */
  readonly placed = new Set<Value>()
  /** Values read from memory. */
  readonly loads = new Set<Value>()
  /** An update of a slice in place: the store goes to a moving window of the buffer of `updateSlice`'s first operand. */
  readonly update: Value | null

  constructor(root: Value, update: Value | null = null) {
    this.update = update
    const shape = update === null ? root.shape : update.inputs[1].shape
    const map = shape.map((extent) => (extent === 1 ? null : this.domain.addAxis(extent)))
    const dims = map.map((axis) => (axis === null ? this.domain.constant(0) : this.domain.axis(axis)))
    const instance: Instance = { map: dims, linear: null, guards: [], depth: 0 }
    this.roots.push({ value: root, instance })
    if (update === null) this.demand(root, instance)
    else {
      this.placed.add(root)
      this.demand(update.inputs[1], instance)
      update.inputs.slice(2).forEach((start) => this.demand(start, { map: [], linear: null, guards: [], depth: 0 }))
    }
  }

  /** The inner axis once a reduction has fixed it, else -1. It is never split. */
  get inner(): number {
    return this.domain.locked
  }

  demand(value: Value, instance: Instance): void {
    let instances = this.demands.get(value)
    if (instances === undefined) this.demands.set(value, (instances = new Map()))
    const key = this.domain.keyOf(instance)
    const known = instances.get(key)
    if (known === instance) return
    if (known === undefined || known.depth < instance.depth) instances.set(key, instance)
  }

  /** Distinct instances of a value now (axes may have been split since they were recorded, which can make keys equal). */
  instancesOf(value: Value): Instance[] {
    const demanded = this.demands.get(value)
    if (demanded !== undefined && demanded.size === 1) return [...demanded.values()]
    const distinct = new Map<string, Instance>()
    for (const instance of this.demands.get(value)?.values() ?? []) {
      const key = this.domain.keyOf(instance)
      const known = distinct.get(key)
      if (known === undefined || known.depth < instance.depth) distinct.set(key, instance)
    }
    return [...distinct.values()]
  }

  /** Axes that are not the inner one. */
  outerAxes(): number[] {
    return this.domain.extents.map((_, k) => k).filter((k) => k !== this.inner)
  }

  /** Computes `value` here: its operands are demanded instead. False (and nothing changed that matters) when it cannot be. */
  place(value: Value): boolean {
    const instances = this.instancesOf(value)
    if (instances.some((instance) => instance.map === null && value.op !== 'reshape')) return false
    if (value.op === 'reduce' && !this.#fitReduction(value, instances)) return false
    this.placed.add(value)
    for (const instance of instances) this.#record(value, instance, this.deriveOperands(value, instance))
    return true
  }

  /** Reads a value as other bytes of `operand`: a reshape that is in memory. */
  placeAsBytes(value: Value, operand: Value): void {
    const { domain } = this
    for (const instance of this.instancesOf(value)) {
      const linear = instance.linear ?? domain.linear(instance.map as readonly Dim[], value.shape)
      const map = domain.reshape([linear], [sizeOf(value.shape)], operand.shape)
      this.#record(value, instance, [{ ...instance, map, linear: map === null ? linear : null }])
    }
    this.placed.add(value)
  }

  #record(value: Value, instance: Instance, operands: readonly Instance[]): void {
    this.#operandsOf.set(instance, new Map(this.#operandsOf.get(instance)).set(value, operands))
    operands.forEach((operand, k) => this.demand(value.inputs[k], operand))
  }

  /**
   * How every operand of a placed value is read when the value is read at `instance`, in the order of its inputs. As it was
   * decided when the value was placed: axes may have been split since, which the dims have followed.
   */
  operandsOf(value: Value, instance: Instance): readonly Instance[] {
    const direct = this.#operandsOf.get(instance)?.get(value)
    if (direct !== undefined) return direct
    const key = this.domain.keyOf(instance)
    for (const candidate of this.demands.get(value)?.values() ?? []) {
      const operands = this.#operandsOf.get(candidate)?.get(value)
      if (operands !== undefined && this.domain.keyOf(candidate) === key) return operands
    }
    throw new InternalError(`fuse: "${value.op}" is read in a way that was not planned`)
  }

  /** Makes (or checks) the inner axis for a reduction whose result is read as a row value. */
  #fitReduction(value: Value, instances: readonly Instance[]): boolean {
    if (instances.length !== 1) return false
    const [instance] = instances
    if (instance.map === null || instance.guards.length > 0 || instance.depth >= MAX_PHASES) return false
    const { domain } = this
    const [axis] = attrsOf(value, 'reduce').axes
    const n = value.inputs[0].shape[axis]
    const linear = domain.linear(instance.map, value.shape)
    const used = linear.coefs.map((_, k) => k).filter((k) => linear.coefs[k] !== 0 && domain.extents[k] > 1)
    if (
      !isBijective(
        domain,
        linear,
        used,
        value.shape.reduce((a, b) => a * b, 1),
      )
    )
      return false
    const rest = domain.extents
      .map((_, k) => k)
      .filter((k) => k !== this.inner && domain.extents[k] > 1 && !used.includes(k))
    if (this.inner >= 0) return rest.length === 0 && !used.includes(this.inner) && domain.extents[this.inner] === n
    if (rest.length > 1 || (rest.length === 1 && domain.extents[rest[0]] !== n)) return false
    domain.locked = rest.length === 1 ? rest[0] : domain.addAxis(n)
    return true
  }

  /** Derives how operands are read from how the value is read. May split axes. */
  deriveOperands(value: Value, instance: Instance): Instance[] {
    const { domain } = this
    if (isPointwise(value.op as never) || value.op === 'identity' || value.op === 'barrier')
      return value.inputs.map(() => instance)
    if (value.op === 'scalar' || value.op === 'iota') return []
    if (value.op === 'reshape') return [this.#reshaped(value, instance)]
    const map = instance.map as readonly Dim[]
    const [x] = value.inputs
    const at = (dims: readonly Dim[], extra: readonly Guard[] = []): Instance => ({
      map: dims,
      linear: null,
      guards: extra.length === 0 ? instance.guards : [...instance.guards, ...extra],
      depth: instance.depth,
    })
    switch (value.op) {
      case 'transpose': {
        const dims = new Array<Dim>(map.length)
        attrsOf(value, 'transpose').perm.forEach((axis, k) => {
          dims[axis] = map[k]
        })
        return [at(dims)]
      }
      case 'broadcastTo': {
        const lead = value.shape.length - x.shape.length
        return [at(x.shape.map((extent, k) => (extent === 1 ? domain.constant(0) : map[lead + k])))]
      }
      case 'slice': {
        const { start, step } = attrsOf(value, 'slice')
        return [at(map.map((dim, k) => domain.scaled(dim, step[k], start[k])))]
      }
      case 'pad': {
        const padded = paddedGuards(domain, value, map)
        return [
          at(
            padded.map(({ dim }) => dim),
            padded.flatMap(({ conditions }) => conditions),
          ),
        ]
      }
      case 'window': {
        const { axis, stride, dilation } = attrsOf(value, 'window')
        const tap = domain.scaled(map[map.length - 1], dilation, 0)
        return [at(x.shape.map((_, k) => (k === axis ? domain.sum(domain.scaled(map[k], stride, 0), tap) : map[k])))]
      }
      case 'concat': {
        const { axis } = attrsOf(value, 'concat')
        return concatParts(value, axis).map(({ part, offset }) => {
          const dim = domain.scaled(map[axis], 1, -offset)
          const extent = part.shape[axis]
          return at(replaced(map, axis, domain.narrowed(dim, extent)), [{ kind: 'range', dim, extent }])
        })
      }
      case 'gather': {
        const { axis } = attrsOf(value, 'gather')
        const dim = gatherDim(domain, value.inputs[1], instance)
        return [at(replaced(map, axis, dim), [{ kind: 'range', dim, extent: x.shape[axis] }]), at(map)]
      }
      case 'dynamicSlice': {
        const starts = value.inputs.slice(1)
        const once: Instance = { map: [], linear: null, guards: [], depth: instance.depth }
        const dims = map.map((dim, k) =>
          domain.sum(dim, startDim(domain, starts[k], once, x.shape[k] - value.shape[k], 1)),
        )
        return [at(dims), ...starts.map(() => once)]
      }
      case 'updateSlice': {
        const update = value.inputs[1]
        const starts = value.inputs.slice(2)
        const once: Instance = { map: [], linear: null, guards: [], depth: instance.depth }
        const dims = map.map((dim, k) =>
          domain.sum(dim, startDim(domain, starts[k], once, x.shape[k] - update.shape[k], -1)),
        )
        return [
          at(map),
          at(
            dims,
            dims.map((dim, k) => ({ kind: 'range', dim, extent: update.shape[k] })),
          ),
          ...starts.map(() => once),
        ]
      }
      case 'reduce': {
        const [axis] = attrsOf(value, 'reduce').axes
        const dims = [...map.slice(0, axis), domain.axis(this.inner), ...map.slice(axis)]
        return [{ map: dims, linear: null, guards: [], depth: instance.depth + 1 }]
      }
      default:
        throw new InternalError(`fuse: "${value.op}" cannot be computed inside a step`)
    }
  }

  #reshaped(value: Value, instance: Instance): Instance {
    const { domain } = this
    const [x] = value.inputs
    const from = instance.map === null ? [sizeOf(value.shape)] : value.shape
    const map = instance.map ?? [instance.linear as Dim]
    const dims = domain.reshape(map, from, x.shape)
    if (dims !== null) return { ...instance, map: dims, linear: null }
    return { ...instance, map: null, linear: domain.linear(map, from) }
  }
}

/** The clamped start of a dynamic slice as a dim: read once for the whole step. */
export function startDim(domain: Domain, start: Value, instance: Instance, clamp: number, scale: number): Dim {
  const { value } = start.attrs as { value?: number }
  if (start.op === 'scalar' && value !== undefined)
    return domain.constant(scale * Math.min(Math.max(Math.trunc(value), 0), clamp))
  return domain.dim([], 0, [{ kind: 'value', value: start, instance, scale, clamp }])
}

function replaced(map: readonly Dim[], axis: number, dim: Dim): Dim[] {
  return map.map((d, k) => (k === axis ? dim : d))
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

/** The operand's index per axis of a `pad`, and what must hold for it to exist. */
export function paddedGuards(domain: Domain, value: Value, map: readonly Dim[]): { dim: Dim; conditions: Guard[] }[] {
  const { low, high, interior } = attrsOf(value, 'pad')
  const [x] = value.inputs
  return map.map((dim, k) => {
    if (low[k] === 0 && high[k] === 0 && interior[k] === 0) return { dim, conditions: [] }
    const shifted = domain.scaled(dim, 1, -low[k])
    const spread = interior[k] + 1
    const extent = x.shape[k]
    if (spread === 1)
      return { dim: domain.narrowed(shifted, extent), conditions: [{ kind: 'range', dim: shifted, extent }] }
    const dense = domain.dim([], 0, [{ kind: 'quotient', of: shifted, by: spread, scale: 1 }])
    const conditions: Guard[] = [
      { kind: 'range', dim: shifted, extent: extent === 0 ? 0 : (extent - 1) * spread + 1 },
      { kind: 'multiple', dim: shifted, by: spread },
    ]
    return { dim: dense, conditions }
  })
}

export function concatParts(value: Value, axis: number): { part: Value; offset: number }[] {
  let offset = 0
  return value.inputs.map((part) => {
    const at = offset
    offset += part.shape[axis]
    return { part, offset: at }
  })
}

/** The gathered axis of a gather: the index value at the same place. */
export function gatherDim(domain: Domain, index: Value, instance: Instance): Dim {
  const at: Instance = { map: instance.map, linear: null, guards: instance.guards, depth: instance.depth }
  return domain.dim([], 0, [{ kind: 'value', value: index, instance: at, scale: 1 }])
}
