/** A language model about as large as that of `npm start`: training and running it, and tokenizers. */
import type { Bench } from '../bench.js'
import { generationRows } from './lmGeneration.js'
import { trainingRows } from './lmTraining.js'
import { tokenizerRows } from './tokenizer.js'

export const lm: Bench = {
  name: 'lm',
  about: 'a small Aquila2 (3 layers, D 128, H 4, T 128, B 16, vocabulary 2048) in training and answering; tokenizers',
  rows: [...trainingRows, ...generationRows, ...tokenizerRows],
}
