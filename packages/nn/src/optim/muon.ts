/** Muon: momentum orthogonalised by a Newton–Schulz iteration, for matrices. */
import { ArgumentError, ShapeError, type Tensor, checkOptions, matmul } from '@tarazed/tensor'
import { requireChoice, requireCount, requireNumber, requireTensor, shown } from '../check.js'
import { shrinkage, shrunk } from './decay.js'
import {
  COMMON_OPTIONS,
  type CommonOptions,
  type OneParameter,
  type Optimizer,
  type UpdateClock,
  checkCommon,
  optimizerFrom,
} from './optimizer.js'

/** Options of `newtonSchulz`. Defaults: 5 steps, coefficients 3.4445, -4.775, 2.0315, eps 1e-7. */
export interface NewtonSchulzOptions {
  readonly steps?: number
  /** a, b, c of aX + (bA + cA²)X with A = XXᵀ. */
  readonly coefficients?: readonly [number, number, number]
  /** Least norm that is divided by. */
  readonly eps?: number
}

/** Of K. Jordan: steep at zero, so that small singular values grow quickly; five steps leave all of them near 1. */
const COEFFICIENTS = [3.4445, -4.775, 2.0315] as const

/**
 * A matrix with the singular vectors of `matrix` and singular values near 1.
 *
 * @param matrix [R, C], f32
 * @throws ShapeError when it is no matrix
 * @source https://kellerjordan.github.io/posts/muon/
 */
export function newtonSchulz(matrix: Tensor, options: NewtonSchulzOptions = {}): Tensor {
  requireTensor('newtonSchulz', 'the matrix', matrix)
  const {
    steps = 5,
    coefficients = COEFFICIENTS,
    eps = 1e-7,
  } = checkOptions('newtonSchulz', options, ['steps', 'coefficients', 'eps'])
  checkIteration('newtonSchulz', steps, coefficients, eps)
  if (matrix.rank !== 2)
    throw new ShapeError(`newtonSchulz: takes a matrix, got [${matrix.shape.join(', ')}]; reshape it`)
  const [a, b, c] = coefficients
  const tall = matrix.shape[0] > matrix.shape[1]
  const wide = tall ? matrix.transpose() : matrix // [r, c], r ≤ c: the Gram matrix is the smaller one
  let x = wide.div(wide.square().sum().sqrt().maximum(eps))
  for (let step = 0; step < steps; step++) {
    const gram = matmul(x, x.transpose()) // [r, r]
    const polynomial = gram.mul(b).add(matmul(gram, gram).mul(c))
    x = x.mul(a).add(matmul(polynomial, x))
  }
  return tall ? x.transpose() : x
}

/**
 * Options of `muon`; `ns…` and `eps` go to `newtonSchulz`. Defaults: lr 1e-3, momentum 0.95, nesterov, weight decay
 * 0.1, adjustLr `original`.
 */
export interface MuonOptions extends CommonOptions {
  readonly momentum?: number
  readonly nesterov?: boolean
  readonly nsSteps?: number
  readonly nsCoefficients?: readonly [number, number, number]
  readonly eps?: number
  /** `original`: √max(1, rows/columns); `matchRmsAdamw`: 0.2·√max(rows, columns), so that AdamW's learning rates fit. */
  readonly adjustLr?: 'original' | 'matchRmsAdamw'
}

const OPTIONS = [...COMMON_OPTIONS, 'momentum', 'nesterov', 'nsSteps', 'nsCoefficients', 'eps', 'adjustLr'] as const

/**
 * b ← μb + (1-μ)g;  u = (1-μ)g + μb with nesterov, else b;  p ← (1 - lr·λ)p - lr·s·orthogonal(u), s of `adjustLr`.
 * As torch.optim.Muon, but iterated in f32. Embeddings, norms and biases want another optimiser: see `partitioned`.
 *
 * @throws ShapeError for a parameter that is no matrix
 */
export function muon(options: MuonOptions = {}): Optimizer {
  const {
    lr = 1e-3,
    momentum = 0.95,
    nesterov = true,
    weightDecay = 0.1,
    nsSteps = 5,
    nsCoefficients = COEFFICIENTS,
    eps = 1e-7,
    adjustLr = 'original',
    decayFor,
  } = checkOptions('muon', options, OPTIONS)
  checkCommon('muon', options)
  requireNumber('muon', 'momentum', momentum, 0, 1)
  checkIteration('muon', nsSteps, nsCoefficients, eps)
  requireChoice('muon', 'adjustLr', adjustLr, ['original', 'matchRmsAdamw'])
  const share = ({ lr }: UpdateClock) => ({ lr, shrink: shrinkage(lr, weightDecay) })
  type Shared = ReturnType<typeof share>

  const apply = (one: OneParameter, { lr, shrink }: Shared) => {
    const incoming = one.grad.mul(1 - momentum)
    const buffer = one.slots.momentum_buffer.mul(momentum).add(incoming)
    const direction = nesterov ? incoming.add(buffer.mul(momentum)) : buffer
    const orthogonal = newtonSchulz(direction, { steps: nsSteps, coefficients: nsCoefficients, eps })
    const step = orthogonal.mul(lr.mul(rateFactor(one.parameter.shape, adjustLr)))
    return { parameter: shrunk(one, shrink, decayFor).sub(step), slots: { momentum_buffer: buffer } }
  }

  return optimizerFrom<Shared>({
    name: 'muon',
    lr,
    slotShapes: (name, { shape }) => {
      if (shape.length !== 2)
        throw new ShapeError(
          `muon: updates matrices only, got ${name} [${shape.join(', ')}]; give the others to adamw with partitioned(…)`,
        )
      return { momentum_buffer: shape }
    },
    share,
    apply,
  })
}

function checkIteration(op: string, steps: number, coefficients: readonly number[], eps: number): void {
  requireCount(op, 'the number of steps', steps, 0)
  requireNumber(op, 'eps', eps, 0)
  if (!Array.isArray(coefficients) || coefficients.length !== 3)
    throw new ArgumentError(
      `${op}: the coefficients are three numbers, got ${shown(coefficients)}; leave them out for the usual ones`,
    )
  for (const one of coefficients as readonly unknown[]) requireNumber(op, 'every coefficient', one, -Infinity)
}

function rateFactor([rows, columns]: readonly number[], adjustLr: 'original' | 'matchRmsAdamw'): number {
  switch (adjustLr) {
    case 'original':
      return Math.sqrt(Math.max(1, rows / columns))
    case 'matchRmsAdamw':
      return 0.2 * Math.sqrt(Math.max(rows, columns))
  }
}
