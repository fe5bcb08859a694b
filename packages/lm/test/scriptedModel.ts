/** A model that says what it was told: its logits are rows of a table, by the position of the newest token. */
import { Module } from '@tarazed/nn'
import { type Tensor, arange, embedding, tensor, updateSlice, zeros } from '@tarazed/tensor'
import { type CacheOptions, type CausalModel, type ForwardCachedOptions } from '../src/index.js'

interface ScriptCache {
  /** i32 [B, capacity]: the ids read. */
  readonly ids: Tensor
}

export class ScriptedModel extends Module implements CausalModel<ScriptCache> {
  /** @param table f32 [context, V]: row p holds the logits behind position p */
  constructor(
    readonly table: Tensor,
    readonly vocabSize: number,
    readonly contextLength: number,
  ) {
    super()
  }

  /** Says script[p] behind position p; past the script its last token again. Other tokens have the logit 0. */
  static saying(script: readonly number[], { vocabSize = 300, contextLength = 256, logit = 20 } = {}): ScriptedModel {
    const rows = Array.from({ length: contextLength }, (_, p) => {
      const row = new Array<number>(vocabSize).fill(0)
      row[script[Math.min(p, script.length - 1)]] = logit
      return row
    })
    return new ScriptedModel(tensor(rows), vocabSize, contextLength)
  }

  forward(ids: Tensor): Tensor {
    return embedding(this.table, arange(ids.shape[1]).reshape([1, -1]).broadcastTo(ids.shape))
  }

  emptyCache({ batch, capacity }: CacheOptions): ScriptCache {
    return { ids: zeros([batch, capacity], { dtype: 'i32' }) }
  }

  forwardCached(
    ids: Tensor,
    cache: ScriptCache,
    { start, positions, last = false }: ForwardCachedOptions,
  ): { logits: Tensor; cache: ScriptCache } {
    const places = last ? positions.slice([null, [-1, null]]) : positions
    return { logits: embedding(this.table, places), cache: { ids: updateSlice(cache.ids, ids, [0, start]) } }
  }
}
