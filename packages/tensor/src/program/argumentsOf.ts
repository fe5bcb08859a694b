/** Walking the expressions of a fused step. */
import type { Expr } from './ir.js'

/** Expressions that an expression reads, gather terms and guards included. */
export function argumentsOf(expr: Expr): readonly number[] {
  switch (expr.op) {
    case 'const':
    case 'param':
    case 'index':
      return []
    case 'load': {
      const gathered = expr.access.gathered.map((term) => term.expr)
      return expr.guard === undefined ? gathered : [...gathered, expr.guard]
    }
    case 'reduce':
      return [expr.arg]
    default:
      return expr.args
  }
}
