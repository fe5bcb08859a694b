import type { Access, Expr, FusedStep, MathFunction, Store } from '../program/ir.js'
import { ExprBuilder, type ExprId } from './lowerMath/builder.js'
import { lowerErf, lowerErfInv } from './lowerMath/errorFunction.js'
import { lowerExp, lowerExpm1 } from './lowerMath/exponential.js'
import { lowerTanh } from './lowerMath/hyperbolic.js'
import { lowerLog, lowerLog1p } from './lowerMath/logarithm.js'
import { lowerPow } from './lowerMath/power.js'
import { lowerCos, lowerSin } from './lowerMath/trigonometry.js'

const UNARY: Record<MathFunction, (b: ExprBuilder, x: ExprId) => ExprId> = {
  exp: lowerExp,
  log: lowerLog,
  log1p: lowerLog1p,
  expm1: lowerExpm1,
  sin: lowerSin,
  cos: lowerCos,
  tanh: lowerTanh,
  erf: lowerErf,
  erfInv: lowerErfInv,
}

/**
 * Expands the math functions of a fused step (exp log log1p expm1 sin cos tanh erf erfInv pow) into basic operators,
 * so that they give the same bits in every backend that rounds fma the same way, and at row and element level.
 *
 * Everything else keeps its meaning; expressions are renumbered. A step without math functions is returned as it is.
 * Limits are written as `select(lt(x, low), low, x)` and `select(lt(high, x), high, x)`: exactly the SIMD instructions
 * pmax and pmin, which a printer should recognise.
 */
export function lowerMath(step: FusedStep): FusedStep {
  if (!step.exprs.some(isMath)) return step
  const builder = new ExprBuilder()
  const renumbered: ExprId[] = []
  for (const expr of step.exprs) renumbered.push(lowerExpr(builder, expr, renumbered))
  const stores = step.stores.map((store) => renumberStore(store, renumbered))
  return { ...step, exprs: builder.exprs, stores }
}

function isMath(expr: Expr): boolean {
  return expr.op === 'pow' || expr.op in UNARY
}

function isMathFunction(op: string): op is MathFunction {
  return op in UNARY
}

function lowerExpr(builder: ExprBuilder, expr: Expr, renumbered: readonly ExprId[]): ExprId {
  switch (expr.op) {
    case 'const':
    case 'param':
    case 'index':
      return builder.append(expr)
    case 'load':
      return builder.append({
        ...expr,
        access: renumberAccess(expr.access, renumbered),
        ...(expr.guard === undefined ? {} : { guard: renumbered[expr.guard] }),
      })
    case 'reduce':
      return builder.append({ ...expr, arg: renumbered[expr.arg] })
    case 'pow':
      return lowerPow(builder, renumbered[expr.args[0]], renumbered[expr.args[1]])
    default: {
      if (isMathFunction(expr.op)) return UNARY[expr.op](builder, renumbered[expr.args[0]])
      // the number of arguments does not change, which the type of a spread tuple cannot say
      return builder.append({ ...expr, args: expr.args.map((arg) => renumbered[arg]) } as unknown as Expr)
    }
  }
}

function renumberAccess(access: Access, renumbered: readonly ExprId[]): Access {
  if (access.gathered.length === 0) return access
  return { ...access, gathered: access.gathered.map((term) => ({ ...term, expr: renumbered[term.expr] })) }
}

function renumberStore(store: Store, renumbered: readonly ExprId[]): Store {
  return { ...store, access: renumberAccess(store.access, renumbered), value: renumbered[store.value] }
}
