import type { DataKey, HttpUrl, PositiveCount } from './_lib/primitives.ts'

/** One model. */
export interface LlmModel {
  /** Name shown to people. */
  name: string
  /** What the model takes at most. The engine shortens a conversation before it is full. */
  limit?: {
    /** Tokens read. */
    context: PositiveCount
    /** Tokens written. */
    output: PositiveCount
  }
}

/** One provider of models. */
export interface LlmProvider {
  /** Protocol: Anthropic's, OpenAI's, or the scripted demonstration model that is built in. */
  kind: 'anthropic' | 'openai' | 'demo'
  /** Base URL up to its version segment, where it is not Anthropic's or OpenAI's own. */
  baseURL?: HttpUrl
  /**
   * Which of OpenAI's APIs a provider of kind `openai` has: `responses` for OpenAI and Azure, `chat` (completions) for servers
   * like LiteLLM and vLLM. Default: `responses` without a `baseURL`, `chat` with one.
   */
  api?: 'chat' | 'responses'
  /** Key in the Secret of `credentials.llm` that holds the provider's API key. */
  apiKeySecretKey?: DataKey
  /** Models by their id at the provider. */
  models: {
    [id: string]: LlmModel
  }
}

/** Model providers. Only the API reaches them; workers go through its proxy. */
export interface Llm {
  /**
   * Providers by name.
   * @propertyType LabelName
   */
  providers: {
    [name: string]: LlmProvider
  }
  /**
   * Model of turns that name none: `<provider>/<model>`.
   * @default "demo/scripted"
   */
  model: string
  /**
   * Model for titles and summaries: `<provider>/<model>`.
   * @default "demo/scripted"
   */
  smallModel: string
}

/** Model providers. */
export interface LlmValues {
  /** Model providers. */
  llm: Llm
}
