/** Vector-Jacobian products of a function of several tensors, through the public transform. */
import { vjp, zerosLike, type Tensor } from '@tarazed/tensor'

/**
 * Values of all results, and the cotangents of the results `of` pulled back to the operands `wrt`.
 * The other operands are constants, the other results get no cotangent.
 */
export function pullBack(
  apply: (values: readonly Tensor[]) => readonly Tensor[],
  primals: readonly Tensor[],
  wrt: readonly number[],
  of: readonly number[],
  cotangents: readonly Tensor[],
): { outputs: readonly Tensor[]; gradients: readonly Tensor[] } {
  const moving = wrt.map((operand) => primals[operand])
  const [outputs, pullback] = vjp((values: readonly Tensor[]) => {
    const all = primals.map((primal, k) => (wrt.includes(k) ? values[wrt.indexOf(k)] : primal))
    return apply(all)
  }, moving)
  const given = outputs.map((output, k) => (of.includes(k) ? cotangents[of.indexOf(k)] : zerosLike(output)))
  const [gradients] = pullback(given)
  return { outputs, gradients }
}
