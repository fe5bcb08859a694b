/** Different optimisers for different parameters. */
import { ArgumentError, type Tensor, flattenTree } from '@tarazed/tensor'
import { requireFunction, requireOptimizer, shown } from '../check.js'
import { type NamedTensors, type Optimizer, type OptimizerState, namedLeaves } from './optimizer.js'

/**
 * Gives every parameter to one of several optimisers, for example matrices to muon and the rest to adamw:
 * `partitioned((name, p) => (p.rank === 2 && !name.startsWith('embed') ? 'matrices' : 'rest'), { matrices: muon(), rest: adamw() })`.
 * Slots are kept together, under `optimiser.kind`.
 *
 * @throws ArgumentError when `choose` names none of the optimisers
 */
export function partitioned(
  choose: (name: string, parameter: Tensor) => string,
  optimizers: Readonly<Record<string, Optimizer>>,
): Optimizer {
  requireFunction('partitioned', 'choose', choose)
  if (typeof optimizers !== 'object' || optimizers === null || Object.keys(optimizers).length === 0)
    throw new ArgumentError(
      `partitioned: the optimizers are a record by name, got ${shown(optimizers)}; write { matrices: muon(), rest: adamw() }`,
    )
  for (const name of Object.keys(optimizers)) requireOptimizer('partitioned', optimizers[name])
  const split = (params: unknown) => chosen(choose, optimizers, params)
  return {
    name: 'partitioned',
    init: (params) => joined(mapRecord(split(params), (part, label) => optimizers[label].init(part))),
    update: (params, grads, state) => {
      const gradients = Object.fromEntries(namedLeaves('partitioned', grads))
      const updates = mapRecord(split(params), (part, label) =>
        optimizers[label].update(part, picked(gradients, part), own(state, label)),
      )
      const byName: NamedTensors = Object.assign({}, ...Object.values(updates).map((update) => update.params))
      const values = namedLeaves('partitioned', params).map(([name]) => byName[name])
      return {
        params: flattenTree(params).def.build(values) as typeof params,
        state: joined(
          mapRecord(updates, (update) => update.state),
          state.step.add(1),
        ),
      }
    },
  }
}

/** The parameters of each optimiser; an optimiser may have none. */
function chosen(
  choose: (name: string, parameter: Tensor) => string,
  optimizers: Readonly<Record<string, Optimizer>>,
  params: unknown,
): Record<string, Record<string, Tensor>> {
  const parts: Record<string, Record<string, Tensor>> = mapRecord(optimizers, () => ({}))
  for (const [name, parameter] of namedLeaves('partitioned', params)) {
    const label = choose(name, parameter)
    if (!Object.hasOwn(parts, label))
      throw new ArgumentError(
        `partitioned: choose names one of ${Object.keys(optimizers).join(', ')}, got ${label} for ${name}; return one of these names`,
      )
    parts[label][name] = parameter
  }
  return parts
}

function picked(gradients: NamedTensors, part: NamedTensors): NamedTensors {
  const own: Record<string, Tensor> = {}
  for (const name of Object.keys(part)) if (gradients[name] !== undefined) own[name] = gradients[name]
  return own
}

function joined(states: Readonly<Record<string, OptimizerState>>, step?: Tensor): OptimizerState {
  const slots: Record<string, NamedTensors> = {}
  for (const [label, state] of Object.entries(states))
    for (const [kind, byName] of Object.entries(state.slots)) slots[`${label}.${kind}`] = byName
  return { step: step ?? Object.values(states)[0].step, slots }
}

function own(state: OptimizerState, label: string): OptimizerState {
  const slots: Record<string, NamedTensors> = {}
  for (const [kind, byName] of Object.entries(state.slots))
    if (kind.startsWith(`${label}.`)) slots[kind.slice(label.length + 1)] = byName
  return { step: state.step, slots }
}

function mapRecord<A, B>(record: Readonly<Record<string, A>>, f: (value: A, key: string) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]))
}
