import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** How a provider is spoken to: Anthropic Messages, OpenAI-compatible chat completions, or the scripted model built into the proxy. */
export type ProviderKind = 'anthropic' | 'openai' | 'demo'

const model = z.strictObject({
  /** Shown to people; the id where absent. */
  name: z.string().optional(),
  /** Tokens the model reads and writes at most. The engine compacts a session before `context` is full. */
  limit: z
    .strictObject({ context: z.number().int().positive(), output: z.number().int().positive() })
    .optional(),
})

const provider = z.strictObject({
  kind: z.enum(['anthropic', 'openai', 'demo']),
  /** Base URL up to and including the version segment, e.g. `https://api.anthropic.com/v1`. */
  baseURL: z.url().optional(),
  /** Name of the environment variable that holds the key. The file itself never holds one. */
  apiKeyEnv: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]*$/)
    .optional(),
  models: z.record(z.string(), model),
})

const schema = z.strictObject({
  providers: z.record(z.string().regex(/^[a-z0-9][a-z0-9-]*$/), provider),
  /** `<provider>/<model>` that answers prompts which name none. */
  model: z.string().regex(/^[^/]+\/.+$/),
  /** `<provider>/<model>` for titles and summaries; `model` where absent. */
  smallModel: z
    .string()
    .regex(/^[^/]+\/.+$/)
    .optional(),
})

/** The providers and models of one installation. Holds no key, so the workers get the same file. */
export type LlmConfig = z.infer<typeof schema>

/** One provider of {@link LlmConfig}. */
export type ProviderConfig = LlmConfig['providers'][string]

/** What is used when `LLM_CONFIG` is unset: the scripted model, which needs no network and no key. */
export const defaultLlmConfig: LlmConfig = {
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
  for (const [id, entry] of Object.entries(data.providers)) {
    if (entry.kind === 'openai' && entry.baseURL === undefined)
      throw new Error(`${source}: provider "${id}" of kind openai needs a baseURL`)
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
