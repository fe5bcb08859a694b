/** Aquila2, the bilingual language models of BAAI: configurations, forward pass, loading and saving. */
export {
  Aquila2,
  Decoder,
  type Aquila2Cache,
  type Aquila2ForwardOptions,
  type Aquila2LossOptions,
  type HiddenStates,
} from './aquila2.js'
export { Attention, type CachedSight, type Positions, type Sight } from './attention.js'
export { catalogue, catalogueEntry, type CatalogueEntry } from './catalogue.js'
export {
  contextLength,
  feedForwardWidth,
  headDim,
  ropeScaling,
  type Aquila2Config,
  type KnownRopeScaling,
  type RopeScaling,
} from './config.js'
export { configs, smallConfig, type ConfigName, type SmallConfigOptions } from './configs.js'
export { DecoderLayer, Mlp } from './decoderLayer.js'
export { ConfigError, OptionError } from './errors.js'
export { estimate, type Estimate, type EstimateOptions, type WeightDType } from './estimate.js'
export { fromPretrained, type FromPretrainedOptions, type Pretrained } from './fromPretrained.js'
export { layerShapes, parameterShapes } from './parameterShapes.js'
export { parseConfig, type ConfigWarning, type ParseConfigOptions } from './parseConfig.js'
export { type Shapes } from './configFromTensors.js'
export { ropeFrequencies } from './ropeFrequencies.js'
export { templateOf, type TemplateChoice, type TemplateName } from './template.js'
