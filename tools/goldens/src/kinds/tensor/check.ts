/** Compares results with what a tensor area stores for them. */
import { compareTensors, type Tolerance } from '../../compare.js'
import { numbersOf, smallestNormal, type HostTensor } from '../../hostTensor.js'
import { type Machine } from '../../backends.js'
import { type TensorEntry } from './entry.js'

/** Operators whose limits a GPU may widen: its mathematical functions are less exact. */
const MATHEMATICAL = new Set([
  'exp',
  'log',
  'log1p',
  'expm1',
  'sin',
  'cos',
  'tanh',
  'sigmoid',
  'erf',
  'gelu',
  'silu',
  'softplus',
  'pow',
  'rsqrt',
  'logsumexp',
  'softmax',
  'logSoftmax',
  'crossEntropy',
  'scaledDotProductAttention',
  'rope',
  'swiglu',
  'cumprod',
])

/** One line for the first result that differs, or null. `stored` are the operands, for what a flush to zero excuses. */
export function checkResult(
  entry: TensorEntry,
  machine: Machine,
  label: string,
  got: HostTensor,
  want: HostTensor,
  tolerance: Tolerance,
  stored: readonly HostTensor[] = [],
): string | null {
  const factor = MATHEMATICAL.has(entry.op) ? machine.mathFactor : 1
  const flushes = machine.flushToZero && (entry.tags?.includes('denormal') ?? false)
  return compareTensors(label, got, want, {
    tolerance: [tolerance[0] * factor, tolerance[1] * factor],
    flushToZero: flushes,
    exempt: flushes ? subnormalElements(stored, want) : undefined,
  })
}

/** Elements computed from a subnormal operand of the result's shape: a backend that flushes reads 0 there. */
function subnormalElements(stored: readonly HostTensor[], want: HostTensor): (element: number) => boolean {
  const operands = stored
    .filter((operand) => operand.shape.join() === want.shape.join())
    .map((operand) => ({ numbers: numbersOf(operand), limit: smallestNormal(operand.dtype) }))
  return (element) =>
    operands.some(({ numbers, limit }) => numbers[element] !== 0 && Math.abs(numbers[element]) < limit)
}

/** The first of several checks that found something. */
export function firstOf(findings: readonly (string | null)[]): string | null {
  return findings.find((finding) => finding !== null) ?? null
}
