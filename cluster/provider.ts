import { UserError } from '../scripts/lib/user-error.ts'

/** Where answers come from: values for the chart and the keys that go into a Secret. */
export interface Provider {
  /** What to print: `Anthropic, claude-sonnet-4-5`. */
  readonly title: string
  /** Values below `llm` and `credentials.llm`; undefined leaves the chart's scripted demo model. */
  readonly values: Record<string, unknown> | undefined
  /** Contents of the Secret {@link providerSecret}. */
  readonly keys: Readonly<Record<string, string>>
}

/** Secret of the release's namespace that holds the user's provider keys. */
export const providerSecret = 'opencode-provider-keys'

/** The scripted model of the chart's defaults; it says in its answers that it is one. */
const demo: Provider = {
  title: 'the scripted demo model (no provider key is set)',
  values: undefined,
  keys: {},
}

/**
 * Chooses the model provider from the environment: `ANTHROPIC_API_KEY`; else `OPENAI_BASE_URL` (any OpenAI-compatible server,
 * key optional) or `OPENAI_API_KEY`; else the scripted demo model. `OPENCODE_MODEL` names the model.
 * @throws UserError when a compatible server is named without a model.
 */
export function chooseProvider(env: Readonly<Record<string, string | undefined>>): Provider {
  const model = env['OPENCODE_MODEL']
  if (env['ANTHROPIC_API_KEY']) {
    return provider('anthropic', 'Anthropic', model ?? 'claude-sonnet-4-5', {
      ANTHROPIC_API_KEY: env['ANTHROPIC_API_KEY'],
    })
  }
  const baseURL = env['OPENAI_BASE_URL']
  if (baseURL && !model) {
    throw new UserError(
      `OPENAI_BASE_URL is "${baseURL}" but no model is named: set OPENCODE_MODEL to one that this server has.`,
    )
  }
  if (!baseURL && !env['OPENAI_API_KEY']) return demo
  const keys = env['OPENAI_API_KEY'] ? { OPENAI_API_KEY: env['OPENAI_API_KEY'] } : {}
  return provider('openai', baseURL ?? 'OpenAI', model ?? 'gpt-5', keys, baseURL)
}

function provider(
  kind: string,
  title: string,
  model: string,
  keys: Record<string, string>,
  baseURL?: string,
): Provider {
  const [key] = Object.keys(keys)
  const entry = {
    kind,
    ...(baseURL === undefined ? {} : { baseURL }),
    ...(key === undefined ? {} : { apiKeySecretKey: key }),
    models: { [model]: { name: model } },
  }
  const name = `${kind}/${model}`
  return {
    title: `${title}, ${model}`,
    keys,
    // The chart's own demo provider is taken out, or it would stay on offer beside the real one.
    values: {
      llm: { providers: { demo: null, [kind]: entry }, model: name, smallModel: name },
      ...(key === undefined ? {} : { credentials: { llm: { existingSecret: providerSecret } } }),
    },
  }
}
