/** Everything around the forward pass of a causal language model: sampling, streaming, chat templates, scoring. */
export type { CacheOptions, CausalModel, ForwardCachedOptions, ForwardOptions } from './causalModel.js'
export { ChatError, ChatTemplateError, ContextLengthError, LogitsError, PromptError } from './errors.js'

// Chat
export { AQUILA_SYSTEM, aquilaTemplates, type AquilaTemplateName } from './chat/aquilaTemplates.js'
export type { ChatTemplate, RenderedChat, TextRange } from './chat/chatTemplate.js'
export { cleanAnswer } from './chat/cleanAnswer.js'
export { jinjaTemplate, type JinjaSource, type JinjaTemplateOptions } from './chat/jinjaTemplate.js'
export type { ChatMessage, TextPart } from './chat/messages.js'
export {
  IGNORED_LABEL,
  chatLabels,
  chatPrompt,
  renderChat,
  type ChatLabels,
  type ChatPrompt,
  type ChatPromptOptions,
} from './chat/renderChat.js'
export { templateFor, type TemplateForOptions } from './chat/templateFor.js'

// Generation
export type { FinishReason, GenerationEvent, GenerationResult, Usage } from './generation/events.js'
export {
  createGenerator,
  type ChatOptions,
  type GenerateOptions,
  type GeneratorOptions,
  type TextGenerator,
} from './generation/generator.js'
export type { Prompt, PromptWithOptions, SequenceOptions } from './generation/plan.js'

// Scoring
export { scoreChoices, type ChoiceScores } from './scoring/choices.js'
export { logLikelihood, type Likelihood, type LikelihoodRequest } from './scoring/logLikelihood.js'
export type { ScoringOptions } from './scoring/options.js'
export { perplexity, type Perplexity, type PerplexityOptions } from './scoring/perplexity.js'

// Sampling
export {
  drawToken,
  tokenDistribution,
  type DistributionOptions,
  type TokenDistribution,
} from './sampling/distribution.js'
export { ORDER_DEFAULTS, samplingPresets } from './sampling/presets.js'
export { type SamplingOrder, type SamplingRules } from './sampling/rules.js'
export { uniformDraw } from './sampling/threefry.js'
