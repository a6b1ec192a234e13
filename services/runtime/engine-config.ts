import { protocolOf, sdkPackages, type LlmConfig, type ModelConfig } from './llm-config.ts'
import { tighten } from './policy.ts'

/** The provider that rehearsals name: its calls are answered in the sandbox, and only before it belongs to a session. */
export const rehearsalProvider = 'rehearsal'

/** Settings of the engine that a tenant may add to; everything else in an overlay is left out. */
const tenantSettings = [
  'agent',
  'command',
  'mode',
  'instructions',
  'formatter',
  'compaction',
] as const

/**
 * The engine's configuration for one turn. Providers point at the relay and hold a placeholder for a key: the relay puts
 * the turn's token in its place.
 * @param overlay - The tenant's configuration, or null. It chooses models, adds agents and commands, tightens permissions.
 * @param relayURL - Base URL of the relay, e.g. `http://127.0.0.1:4098`.
 * @throws Error that quotes what is wrong with the overlay.
 */
export function engineConfig(
  llm: LlmConfig,
  overlay: Record<string, unknown> | null,
  relayURL: string,
): Record<string, unknown> {
  const provider: Record<string, unknown> = {}
  for (const [id, entry] of Object.entries(llm.providers)) {
    provider[id] = {
      npm: sdkPackages[protocolOf(entry)],
      name: id,
      // The API's time limits hold; the engine's own would cut an answer that is still awaited there.
      options: {
        baseURL: `${relayURL}/llm/${id}/v1`,
        apiKey: 'added-by-the-relay',
        timeout: false,
      },
      // Of a provider that it knows, the engine would offer every model.
      whitelist: Object.keys(entry.models),
      models: Object.fromEntries(
        Object.entries(entry.models).map(([model, described]) => [
          model,
          engineModel(model, described),
        ]),
      ),
    }
  }
  provider[rehearsalProvider] = {
    npm: sdkPackages['chat/completions'],
    name: rehearsalProvider,
    options: { baseURL: `${relayURL}/${rehearsalProvider}/v1`, apiKey: 'none' },
    models: { demo: { name: 'demo' } },
  }
  const config: Record<string, unknown> = {
    $schema: 'https://opencode.ai/config.json',
    provider,
    enabled_providers: Object.keys(provider),
    model: known(llm, overlay?.['model']) ?? llm.model,
    small_model: known(llm, overlay?.['small_model']) ?? llm.smallModel ?? llm.model,
    permission: tighten(overlay?.['permission']),
    share: 'disabled',
    autoupdate: false,
  }
  for (const name of tenantSettings)
    if (overlay?.[name] !== undefined) config[name] = withoutLoosening(name, overlay[name])
  return config
}

/** A model in the engine's form. What is left out here, the engine fills with what it knows of the model. */
function engineModel(
  id: string,
  { name = id, limit, modalities, reasoning, temperature, cost, options }: ModelConfig,
): Record<string, unknown> {
  const input = modalities?.input
  const described = {
    name,
    limit,
    reasoning,
    temperature,
    options,
    modalities: modalities && { input: ['text'], output: ['text'], ...modalities },
    attachment: input?.some((kind) => kind !== 'text'),
    cost: cost && {
      input: cost.input,
      output: cost.output,
      cache_read: cost.cacheRead ?? 0,
      cache_write: cost.cacheWrite ?? 0,
    },
  }
  return Object.fromEntries(Object.entries(described).filter(([, value]) => value !== undefined))
}

/** Agents may bring permissions of their own, which the engine lets win over the global ones: tighten them as well. */
function withoutLoosening(name: string, value: unknown): unknown {
  if ((name !== 'agent' && name !== 'mode') || typeof value !== 'object' || value === null)
    return value
  return Object.fromEntries(
    Object.entries(value).map(([id, agent]) => {
      if (typeof agent !== 'object' || agent === null || !('permission' in agent))
        return [id, agent as unknown]
      return [id, { ...agent, permission: tighten(agent.permission) }]
    }),
  )
}

function known(llm: LlmConfig, model: unknown): string | undefined {
  if (model === undefined) return undefined
  if (typeof model !== 'string')
    throw new Error(`model must be "<provider>/<model>", not ${JSON.stringify(model)}`)
  const [provider = '', ...rest] = model.split('/')
  if (llm.providers[provider]?.models[rest.join('/')] === undefined)
    throw new Error(`model "${model}" is not one of this installation's`)
  return model
}
