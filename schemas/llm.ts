import type { StringMap } from './_lib/kubernetes.ts'
import type { DataKey, HttpUrl, PositiveCount } from './_lib/primitives.ts'

/** What a model takes or gives. */
export type LlmMedia = 'text' | 'audio' | 'image' | 'video' | 'pdf'

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
  /** Kinds of content. Parts of a message that a model does not take are left out of its calls. */
  modalities?: {
    /** What the model takes, `[text]` where absent. */
    input?: LlmMedia[]
    /** What the model gives, `[text]` where absent. */
    output?: LlmMedia[]
  }
  /** Whether the model thinks before it answers; clients then offer a choice of effort. */
  reasoning?: boolean
  /** Whether the model takes a sampling temperature. */
  temperature?: boolean
  /** Price of a million tokens, in US dollars. */
  cost?: {
    /**
     * Tokens read.
     * @minimum 0
     */
    input: number
    /**
     * Tokens written.
     * @minimum 0
     */
    output: number
    /**
     * Tokens read from the provider's cache.
     * @minimum 0
     */
    cacheRead?: number
    /**
     * Tokens written to the provider's cache.
     * @minimum 0
     */
    cacheWrite?: number
  }
  /** HTTP headers that the API adds to the model's calls. Not for secrets: they stand in a ConfigMap. */
  headers?: StringMap
  /** Options of the AI SDK for the model's calls, e.g. `{reasoningEffort: high}`. Fields that they name may be sent to the provider. */
  options?: { [name: string]: unknown }
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

/** Time limits and bounds of model calls. */
export interface LlmLimits {
  /**
   * Time a provider has until its answer begins, seconds. A call that takes longer fails and is not repeated: it may be billed.
   * @default 300
   */
  firstByteSeconds: PositiveCount
  /**
   * Longest silence between two pieces of an answer, seconds.
   * @default 300
   */
  idleSeconds: PositiveCount
  /**
   * Model calls of one turn that may be under way at once; further ones are answered 429.
   * @default 8
   */
  callsPerTurn: PositiveCount
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
  /** Time limits and bounds of model calls. */
  limits: LlmLimits
}

/** Model providers. */
export interface LlmValues {
  /** Model providers. */
  llm: Llm
}
