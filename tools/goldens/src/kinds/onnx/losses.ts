/** Losses of classes: the class axis is 1, class weights and an ignored class may occur. */
import * as T from '@tarazed/tensor'
import { type Tensor } from '@tarazed/tensor'
import { range, type NodeRunner, type OnnxNode } from './node.js'

export const LOSSES: Readonly<Record<string, NodeRunner>> = {
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
  NegativeLogLikelihoodLoss: negativeLogLikelihood,
}

/** No class has this number: nothing is ignored. */
const NOTHING = -(2 ** 31)

/** Results: the loss and, when asked for, the log-probabilities. */
function softmaxCrossEntropy(node: OnnxNode): (Tensor | null)[] {
  const { x, attrs, wanted } = node
  const reduction = attrs.text('reduction', 'mean')
  const ignoreIndex = attrs.number('ignore_index', NOTHING)
  const target = T.cast(node.tensor(1), 'i32')
  const logits = classesLast(x)
  const loss = node.has(2)
    ? weigh(
        T.crossEntropy(logits, target, { ignoreIndex, reduction: 'none' }),
        target,
        node.tensor(2),
        ignoreIndex,
        reduction,
      )
    : T.crossEntropy(logits, target, { ignoreIndex, reduction: reduction as 'mean' | 'sum' | 'none' })
  return [loss, wanted[1] === true ? T.logSoftmax(x, { axis: 1 }) : null]
}

/** The operand holds log-probabilities, which need not be normalised: they are picked, not passed through a softmax. */
function negativeLogLikelihood(node: OnnxNode): Tensor {
  const { x, attrs } = node
  const reduction = attrs.text('reduction', 'mean')
  const ignoreIndex = attrs.number('ignore_index', NOTHING)
  const target = T.cast(node.tensor(1), 'i32')
  const picked = T.takeAlongAxis(classesLast(x), T.expandDims(known(target, ignoreIndex), [-1]), { axis: -1 })
  const rows = T.neg(T.squeeze(picked, [-1]))
  const weights = node.optional(2) ?? T.ones([x.shape[1]], { dtype: x.dtype })
  return weigh(rows, target, weights, ignoreIndex, reduction)
}

/** [N, C, d1, …] -> [N, d1, …, C] */
function classesLast(x: Tensor): Tensor {
  return T.transpose(x, [0, ...range(x.rank).slice(2), 1])
}

/** Class 0 where the target is to be ignored, so that it may serve as an index. */
function known(target: Tensor, ignoreIndex: number): Tensor {
  return T.where(T.equal(target, ignoreIndex), 0, target)
}

/** Rows times the weight of their class; the mean divides by the weights in use. */
function weigh(rows: Tensor, target: Tensor, weights: Tensor, ignoreIndex: number, reduction: string): Tensor {
  const isIgnored = T.equal(target, ignoreIndex)
  const ofRow = T.where(isIgnored, 0, T.embedding(weights, known(target, ignoreIndex)))
  const weighted = T.mul(rows, ofRow)
  if (reduction === 'none') return weighted
  const total = T.sum(weighted)
  return reduction === 'sum' ? total : T.div(total, T.sum(ofRow))
}
