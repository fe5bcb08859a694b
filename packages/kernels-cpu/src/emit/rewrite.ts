/** Structural rewriting of the expressions of a fused step. */
import type { Access, Expr, FusedStep, Store } from '@tarazed/tensor'

/** Expressions that `expr` reads. */
export function argumentsOf(expr: Expr): readonly number[] {
  switch (expr.op) {
    case 'const':
    case 'param':
    case 'index':
      return []
    case 'load': {
      const terms = expr.access.gathered.map((term) => term.expr)
      return expr.guard === undefined ? terms : [...terms, expr.guard]
    }
    case 'reduce':
      return [expr.arg]
    default:
      return expr.args
  }
}

/** Expressions that a store reads: its value and the terms of its address. */
export function argumentsOfStore(store: Store): readonly number[] {
  return [store.value, ...store.access.gathered.map((term) => term.expr)]
}

function renumberAccess(access: Access, to: (id: number) => number): Access {
  return { ...access, gathered: access.gathered.map((term) => ({ ...term, expr: to(term.expr) })) }
}

/** The same expression over other argument numbers. */
export function renumber(expr: Expr, to: (id: number) => number): Expr {
  switch (expr.op) {
    case 'const':
    case 'param':
    case 'index':
      return expr
    case 'load': {
      const access = renumberAccess(expr.access, to)
      return expr.guard === undefined ? { ...expr, access } : { ...expr, access, guard: to(expr.guard) }
    }
    case 'reduce':
      return { ...expr, arg: to(expr.arg) }
    default:
      // Every remaining operator has `args` only; the tuple's length is kept by map.
      return { ...expr, args: expr.args.map(to) } as unknown as Expr
  }
}

export function renumberStore(store: Store, to: (id: number) => number): Store {
  return { ...store, value: to(store.value), access: renumberAccess(store.access, to) }
}

const BITS = new Float32Array(1)
const WORDS = new Int32Array(BITS.buffer)

/** A text equal for equal expressions only: numbers by their bits, since JSON loses NaN, infinities and -0. */
export function exprKey(expr: Expr): string {
  switch (expr.op) {
    case 'const':
      if (expr.type !== 'f32') return `c${expr.type}${expr.value}`
      BITS[0] = expr.value
      return `cf${WORDS[0]}`
    case 'param':
      return `p${expr.type}${expr.param}`
    case 'index':
      return `i${expr.axis}`
    case 'load':
      return `l${expr.operand}${expr.dtype}${accessKey(expr.access)}${expr.guard ?? ''}`
    case 'reduce':
      return `r${expr.kind}${expr.type} ${expr.arg} ${expr.phase}`
    case 'round':
      return `o${expr.to}${expr.type} ${expr.args[0]}`
    default:
      return `${expr.op}${expr.type} ${expr.args.join(' ')}`
  }
}

export function accessKey(access: Access): string {
  const terms = access.gathered.map((term) => `${term.expr}*${term.stride}`)
  return `@${access.offset}[${access.strides.join(' ')}](${terms.join(' ')})`
}

/** A text equal for steps that run the same code: all but label, slots and positions of params. */
export function stepKey(step: FusedStep): string {
  const stores = step.stores.map((s) => `s${s.operand}${s.dtype}${accessKey(s.access)}${s.value}${s.level}`)
  const exprs = step.exprs.map((expr) => exprKey(expr) + expr.level[0])
  const sizes = `${step.outer.join(' ')}x${step.inner}p${step.phases}o${step.operands.length}.${step.params.length}`
  return [sizes, ...exprs, ...stores].join(';')
}

/** Merges equal expressions and drops those that no store needs. Loads precede the stores of their element, so equal loads are equal values. */
export function shareAndPrune(step: FusedStep): FusedStep {
  const merged: Expr[] = []
  const seen = new Map<string, number>()
  const map: number[] = []
  for (const expr of step.exprs) {
    const moved = renumber(expr, (id) => map[id])
    const key = exprKey(moved)
    const known = seen.get(key)
    if (known === undefined) {
      seen.set(key, merged.length)
      merged.push(moved)
    }
    map.push(known ?? merged.length - 1)
  }
  const stores = step.stores.map((store) => renumberStore(store, (id) => map[id]))
  return prune({ ...step, exprs: merged, stores })
}

function prune(step: FusedStep): FusedStep {
  const needed = new Array<boolean>(step.exprs.length).fill(false)
  for (const store of step.stores) for (const id of argumentsOfStore(store)) needed[id] = true
  for (let id = step.exprs.length - 1; id >= 0; id--) {
    if (needed[id]) for (const argument of argumentsOf(step.exprs[id])) needed[argument] = true
  }
  const map: number[] = []
  const exprs: Expr[] = []
  step.exprs.forEach((expr, id) => {
    if (!needed[id]) return
    map[id] = exprs.length
    exprs.push(renumber(expr, (argument) => map[argument]))
  })
  return { ...step, exprs, stores: step.stores.map((store) => renumberStore(store, (id) => map[id])) }
}

/** Applies a change to the affine part of every access. */
export function mapAccesses(step: FusedStep, change: (access: Access) => Access): FusedStep {
  return {
    ...step,
    exprs: step.exprs.map((expr) => (expr.op === 'load' ? { ...expr, access: change(expr.access) } : expr)),
    stores: step.stores.map((store) => ({ ...store, access: change(store.access) })),
  }
}

/** Every access of a step, loads first. */
export function accessesOf(step: FusedStep): Access[] {
  const loads = step.exprs.flatMap((expr) => (expr.op === 'load' ? [expr.access] : []))
  return [...loads, ...step.stores.map((store) => store.access)]
}
