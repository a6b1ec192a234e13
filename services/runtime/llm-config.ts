import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Whose API a provider has: Anthropic's, OpenAI's, or the scripted model built into the proxy. */
export type ProviderKind = 'anthropic' | 'openai' | 'demo'

const media = z.enum(['text', 'audio', 'image', 'video', 'pdf'])

const model = z.strictObject({
  /** Shown to people; the id where absent. */
  name: z.string().optional(),
  /** Tokens the model reads and writes at most. The engine compacts a session before `context` is full. */
  limit: z
    .strictObject({ context: z.number().int().positive(), output: z.number().int().positive() })
    .optional(),
  /** What the model takes and gives. Parts of other kinds are left out of its calls. */
  modalities: z
    .strictObject({ input: z.array(media).optional(), output: z.array(media).optional() })
    .optional(),
  /** Whether the model thinks before it answers, so that clients offer a choice of effort. */
  reasoning: z.boolean().optional(),
  /** Whether the model takes a sampling temperature. */
  temperature: z.boolean().optional(),
  /** Price of a million tokens, in US dollars. */
  cost: z
    .strictObject({
      input: z.number().nonnegative(),
      output: z.number().nonnegative(),
      cacheRead: z.number().nonnegative().optional(),
      cacheWrite: z.number().nonnegative().optional(),
    })
    .optional(),
  /** Headers that the API adds to the model's calls. Not for secrets: workers read this file too. */
  headers: z.record(z.string().regex(/^[A-Za-z0-9-]+$/), z.string()).optional(),
  /** Options of the AI SDK for the model's calls, e.g. `{"reasoningEffort": "high"}`. */
  options: z.record(z.string(), z.unknown()).optional(),
})

const provider = z.strictObject({
  kind: z.enum(['anthropic', 'openai', 'demo']),
  /** Base URL up to and including the version segment; the kind's own provider where absent ({@link ownBaseURL}). */
  baseURL: z.url({ protocol: /^https?$/ }).optional(),
  /** Which of OpenAI's two APIs a provider of kind `openai` is spoken to with; see {@link protocolOf}. */
  api: z.enum(['chat', 'responses']).optional(),
  /** Name of the environment variable that holds the key. The file itself never holds one. */
  apiKeyEnv: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/)
    .optional(),
  models: z.record(z.string(), model),
})

const limits = z.strictObject({
  /** Time a provider has until its answer begins, seconds. Long: some models think before they speak. */
  firstByteSeconds: z.number().positive().default(300),
  /** Longest silence between two pieces of an answer, seconds. */
  idleSeconds: z.number().positive().default(300),
  /** Model calls of one turn that may be under way at once; further ones are answered 429. */
  callsPerTurn: z.number().int().positive().default(8),
})

const schema = z.strictObject({
  limits: limits.prefault({}),
  providers: z.record(z.string().regex(/^[a-z0-9][a-z0-9-]*$/), provider),
  /** `<provider>/<model>` that answers prompts which name none. */
  model: z.string().regex(/^[^/]+\/.+$/),
  /** `<provider>/<model>` for titles and summaries; `model` where absent. */
  smallModel: z
    .string()
    .regex(/^[^/]+\/.+$/)
    .optional(),
})

/** A provider file as it is written: what has a default may be left out. */
export type LlmConfigInput = z.input<typeof schema>

/** The providers and models of one installation. Holds no key, so the workers get the same file. */
export type LlmConfig = z.infer<typeof schema>

/** Time limits and bounds of {@link LlmConfig}. */
export type LlmLimits = LlmConfig['limits']

/** One model of {@link LlmConfig}. */
export type ModelConfig = ProviderConfig['models'][string]

/** One provider of {@link LlmConfig}. */
export type ProviderConfig = LlmConfig['providers'][string]

/** The wire format of a provider's calls, named by their path below the base URL. */
export type Protocol = 'messages' | 'chat/completions' | 'responses'

/** Address of each kind's own provider, used where a configuration names none. */
export const ownBaseURL: Readonly<Record<Exclude<ProviderKind, 'demo'>, string>> = {
  anthropic: 'https://api.anthropic.com/v1',
  openai: 'https://api.openai.com/v1',
}

/**
 * The wire format of a provider. OpenAI itself is spoken to with its Responses API, which keeps a reasoning model's thoughts
 * between the steps of a turn; a server that only resembles it (`baseURL` is set) with chat completions. `api` overrides both.
 */
export function protocolOf({ kind, baseURL, api }: ProviderConfig): Protocol {
  if (kind === 'anthropic') return 'messages'
  if (kind === 'demo') return 'chat/completions'
  return (api ?? (baseURL === undefined ? 'responses' : 'chat')) === 'responses'
    ? 'responses'
    : 'chat/completions'
}

/** The AI SDK package that speaks a protocol; the engine's binary contains all three. */
export const sdkPackages: Readonly<Record<Protocol, string>> = {
  messages: '@ai-sdk/anthropic',
  'chat/completions': '@ai-sdk/openai-compatible',
  responses: '@ai-sdk/openai',
}

/** What is used when `LLM_CONFIG` is unset: the scripted model, which needs no network and no key. */
export const defaultLlmConfig: LlmConfig = {
  limits: limits.parse({}),
  providers: { demo: { kind: 'demo', models: { scripted: { name: 'Scripted demo model' } } } },
  model: 'demo/scripted',
  smallModel: 'demo/scripted',
}

/**
 * Checks a parsed configuration.
 * @throws Error that names the field, what it says and what would do.
 */
export function parseLlmConfig(input: unknown, source = 'LLM_CONFIG'): LlmConfig {
  const result = schema.safeParse(input)
  if (!result.success) {
    const problems = result.error.issues.map(
      (issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`,
    )
    throw new Error(`${source} is not a valid provider file: ${problems.join('; ')}`)
  }
  const { data } = result
  for (const field of ['model', 'smallModel'] as const) {
    const name: string | undefined = data[field]
    if (name === undefined) continue
    const [providerID = '', ...rest] = name.split('/')
    const known = data.providers[providerID]?.models[rest.join('/')]
    if (known === undefined)
      throw new Error(`${source}: ${field} "${name}" names no model listed under providers`)
  }
  for (const [id, { kind, api }] of Object.entries(data.providers)) {
    if (api !== undefined && kind !== 'openai')
      throw new Error(
        `${source}: provider "${id}" of kind ${kind} has api "${api}"; only kind openai has a choice`,
      )
  }
  return data
}

/**
 * Reads the provider file named by the environment variable `LLM_CONFIG`.
 * @param path - Path of the JSON file; `undefined` or empty gives {@link defaultLlmConfig}.
 */
export function loadLlmConfig(path: string | undefined): LlmConfig {
  if (path === undefined || path === '') return defaultLlmConfig
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Error(`LLM_CONFIG names "${path}", which cannot be read`, { cause })
  }
  try {
    return parseLlmConfig(JSON.parse(text), path)
  } catch (cause) {
    if (cause instanceof SyntaxError)
      throw new Error(`LLM_CONFIG file "${path}" is not JSON: ${cause.message}`, { cause })
    throw cause
  }
}
