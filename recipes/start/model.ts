/** A small Aquila2, its loss and its optimiser. */
import { type Aquila2, type Aquila2Config, smallConfig } from '@tarazed/aquila2'
import type { Loss, TokenBatch } from '@tarazed/heurimentor'
import { type Optimizer, adamw, matricesOnly, muon, partitioned } from '@tarazed/nn/optim'
import { type Tensor } from '@tarazed/tensor'
import { type Tokenizer } from '@tarazed/tokenizer'

/** Parameters by their names in a checkpoint. */
export type Params = Readonly<Record<string, Tensor>>

/** Sizes of a model; heads are 32 wide. */
export interface ModelSize {
  readonly layers: number
  readonly width: number
  readonly context: number
}

/** The config.json of a model of some size for a tokenizer. */
export function modelConfig({ layers, width, context }: ModelSize, tokenizer: Tokenizer): Aquila2Config {
  const id = (token: string | undefined) => tokenizer.tokenToId(token ?? '') ?? 0
  return {
    ...smallConfig({
      vocab_size: tokenizer.vocabSize,
      hidden_size: width,
      num_hidden_layers: layers,
      max_position_embeddings: context,
      bos_token_id: id(tokenizer.bos),
      eos_token_id: id(tokenizer.eos),
      pad_token_id: id(tokenizer.pad),
    }),
    // 0.02 suits widths of thousands; a narrow model would need hundreds of updates to grow out of it
    initializer_range: Math.round((0.9 / Math.sqrt(width)) * 1000) / 1000,
  }
}

/** Cross-entropy of predicting each next token, in nats, as a sum with its count; tokens count by their weights, or all alike. */
export function lossOf(model: Aquila2): (params: Params, batch: TokenBatch) => Loss {
  return (params, { tokens, weights }) => {
    const costs = model.with(params).loss(tokens, tokens, { reduction: 'none' }) // [B, T]
    const counted = weights === undefined ? costs.mul(0).add(1) : weights.slice([null, [1, null]]) // [B, T]
    return { sum: costs.mul(counted).sum(), count: counted.sum() }
  }
}

/** The highest learning rate, that of the embedding and the head; measured, as the others here, after 600 updates on the tiny world. */
export const PEAK_RATE = 0.016
/** That of matrices inside the blocks, as a share of it: Muon's updates are larger. */
const MATRIX_SHARE = 0.2
/** Three steps of Newton and Schulz do as well as five here, and take less time. */
const NS_STEPS = 3

/** Muon for the matrices inside the blocks, AdamW for the rest: a third of the updates that AdamW alone would take. */
export function runOptimizer(lr: Tensor): Optimizer {
  return partitioned((name, parameter) => (isInner(name, parameter) ? 'muon' : 'adamw'), {
    muon: muon({ lr: lr.mul(MATRIX_SHARE), weightDecay: 0.1, nsSteps: NS_STEPS }),
    adamw: adamw({ lr, betas: [0.9, 0.95], weightDecay: 0.1, decayFor: matricesOnly }),
  })
}

function isInner(name: string, parameter: Tensor): boolean {
  return parameter.rank === 2 && name.includes('.layers.')
}
