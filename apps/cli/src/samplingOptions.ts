/** Options of `generate` and `chat` that say how tokens are chosen. */
import type { GenerateOptions } from '@tarazed/lm'
import type { Option, Values } from './command.js'

/** Their defaults are those of the order. */
export const SAMPLING_OPTIONS: Readonly<Record<string, Option>> = {
  'max-tokens': {
    kind: 'integer',
    value: 'N',
    range: [1, 1_000_000],
    byDefault: '200',
    about: { en: 'tokens to write at most', zh: '最多生成的词元数' },
  },
  temperature: {
    kind: 'number',
    value: 'T',
    range: [0, 100],
    byDefault: '1',
    about: { en: '0 takes the likeliest token', zh: '0 表示取概率最大的词元' },
  },
  'top-p': {
    kind: 'number',
    value: 'P',
    range: [0, 1],
    byDefault: '0.9',
    about: { en: 'draw from the likeliest tokens with this share in all', zh: '只在累计概率为 P 的词元中抽取' },
  },
  'top-k': {
    kind: 'integer',
    value: 'K',
    range: [0, 10_000_000],
    byDefault: '15',
    about: { en: 'draw from the K likeliest tokens; 0: no limit', zh: '只在概率最大的 K 个词元中抽取；0 表示不限' },
  },
  'min-p': {
    kind: 'number',
    value: 'P',
    range: [0, 1],
    byDefault: { en: 'off', zh: '关' },
    about: { en: 'least probability, as a share of the likeliest', zh: '相对最大概率的下限' },
  },
  'repetition-penalty': {
    kind: 'number',
    value: 'X',
    range: [0.01, 100],
    byDefault: '1',
    about: { en: 'above 1: avoid tokens that were there', zh: '大于 1 时避免重复' },
  },
  order: {
    kind: 'text',
    value: 'NAME',
    choices: ['aquila', 'hf', 'aquila1'],
    byDefault: 'aquila',
    about: { en: 'in which order the rules apply', zh: '采样规则的顺序' },
  },
  stop: {
    kind: 'texts',
    value: 'TEXT',
    about: { en: 'ends the answer; may be repeated', zh: '遇到即停止；可重复给出' },
  },
  seed: {
    kind: 'integer',
    value: 'N',
    range: [0, Number.MAX_SAFE_INTEGER],
    byDefault: '123',
    about: { en: 'the same seed writes the same text', zh: '相同的种子得到相同的文本' },
  },
}

/** What the user gave; the rest is left to the generator. */
export function samplingOf(values: Values): GenerateOptions {
  const given = {
    maxNewTokens: values.number('max-tokens'),
    temperature: values.number('temperature'),
    topP: values.number('top-p'),
    topK: values.number('top-k'),
    minP: values.number('min-p'),
    repetitionPenalty: values.number('repetition-penalty'),
    order: values.text('order'),
    stop: values.texts('stop').length > 0 ? values.texts('stop') : undefined,
    seed: values.number('seed'),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as GenerateOptions
}
