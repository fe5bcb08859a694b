/** What each expression of a normalised step depends on, and what it costs. */
import type { Expr, FusedStep } from '@tarazed/tensor'
import { argumentsOf } from './rewrite.js'

/** Where an expression is evaluated: once a call, once a row, or for every element. */
export type Place = 'call' | 'row' | 'element'

export interface Analysis {
  /** Bit a is set when the value changes along axis a (outer axes first, then the inner one). */
  readonly axes: readonly number[]
  /** The value exists once phases 0 … ready-1 have ended. */
  readonly ready: readonly number[]
  readonly place: readonly Place[]
  /** Vector instructions to compute it from loads, everything below included (shared parts counted again). */
  readonly cost: readonly number[]
}

export function analyse(step: FusedStep): Analysis {
  const innerBit = 1 << step.outer.length
  const axes: number[] = []
  const ready: number[] = []
  const place: Place[] = []
  const cost: number[] = []
  step.exprs.forEach((expr, id) => {
    const args = argumentsOf(expr)
    axes[id] = ownAxes(expr) | args.reduce((bits, argument) => bits | axes[argument], 0)
    ready[id] = Math.max(0, ...args.map((argument) => ready[argument]))
    cost[id] = args.reduce((sum, argument) => sum + cost[argument], operationCost(expr))
    if (expr.op === 'reduce') {
      axes[id] &= ~innerBit
      ready[id] = expr.phase + 1
      cost[id] = 0
    }
    if ((axes[id] & innerBit) !== 0) place[id] = 'element'
    else place[id] = axes[id] === 0 && ready[id] === 0 ? 'call' : 'row'
  })
  return { axes, ready, place, cost }
}

function ownAxes(expr: Expr): number {
  if (expr.op === 'index') return 1 << expr.axis
  if (expr.op !== 'load') return 0
  return expr.access.strides.reduce((bits, stride, axis) => (stride === 0 ? bits : bits | (1 << axis)), 0)
}

/** Rough count of vector instructions; only ratios matter. */
function operationCost(expr: Expr): number {
  switch (expr.op) {
    case 'const':
    case 'param':
    case 'reduce':
      return 0
    case 'load':
      return expr.dtype === 'f16' ? 8 : expr.dtype === 'f32' || expr.dtype === 'i32' || expr.dtype === 'u32' ? 1 : 2
    case 'round':
      return expr.to === 'f16' ? 25 : 5
    case 'div':
      return expr.type === 'f32' ? 4 : 15
    case 'rem':
      return 18
    case 'sqrt':
      return 5
    case 'min':
    case 'max':
      return expr.type === 'f32' ? 6 : 1
    default:
      return 1
  }
}
