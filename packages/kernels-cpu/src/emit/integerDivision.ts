/** Integer quotient and remainder of vectors, through float64 where every 32-bit quotient is exact after truncation. */
import { V128, type Code } from '../wasm/code.js'

/** Takes dividend and divisor from the stack. x/0 = x%0 = 0, and the most negative number over -1 wraps to itself. */
export function pushIntegerDivision(code: Code, op: 'div' | 'rem', unsigned: boolean): void {
  const dividend = code.allocate(V128)
  const divisor = code.allocate(V128)
  code.set(divisor)
  code.set(dividend)
  if (op === 'rem') code.get(dividend)
  pushHalfQuotient(code, dividend, divisor, unsigned, false)
  pushHalfQuotient(code, dividend, divisor, unsigned, true)
  code.shuffleWords(0, 1, 4, 5)
  if (!unsigned) negateOverMinusOne(code, dividend, divisor)
  if (op === 'rem') {
    code.get(divisor)
    code.simd('i32Mul')
    code.simd('i32Sub')
  }
  code.get(divisor)
  code.splatBits(0)
  code.simd('i32Ne')
  code.simd('and')
  code.release(dividend)
  code.release(divisor)
}

/** Quotients of two lanes (the low or the high ones), in the low half. */
function pushHalfQuotient(code: Code, dividend: number, divisor: number, unsigned: boolean, high: boolean): void {
  for (const local of [dividend, divisor]) {
    code.get(local)
    if (high) {
      code.get(local)
      code.shuffleWords(2, 3, 2, 3)
    }
    code.simd(unsigned ? 'f64ConvertLowI32U' : 'f64ConvertLowI32S')
  }
  code.simd('f64Div')
  code.simd(unsigned ? 'i32TruncF64UZero' : 'i32TruncF64SZero')
}

/** The conversion saturates 2^31; negation wraps it. */
function negateOverMinusOne(code: Code, dividend: number, divisor: number): void {
  const quotient = code.allocate(V128)
  code.set(quotient)
  code.get(dividend)
  code.simd('i32Neg')
  code.get(quotient)
  code.get(divisor)
  code.splatBits(-1)
  code.simd('i32Eq')
  code.simd('bitselect')
  code.release(quotient)
}
