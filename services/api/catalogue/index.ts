import {
  protocolOf,
  sdkPackages,
  type LlmConfig,
  type ModelConfig,
  type ProviderConfig,
} from '../../runtime/llm-config.ts'
import agents from './agents.json' with { type: 'json' }
import commands from './commands.json' with { type: 'json' }
import engine from './engine.json' with { type: 'json' }
import skills from './skills.json' with { type: 'json' }

/** The engine's version, as it stands in every session. */
export const engineVersion = engine.version

/** What the engine says about itself, the same for every tenant. Generated from the pinned engine. */
export const catalogue = { agents, commands, skills, toolIDs: engine.toolIDs }

/** Providers and models in the engine's form. */
export function providersOf(llm: LlmConfig) {
  return Object.entries(llm.providers).map(([providerID, provider]) => ({
    id: providerID,
    name: providerID,
    source: 'config',
    env: [] as string[],
    options: {},
    models: Object.fromEntries(
      Object.entries(provider.models).map(([id, model]) => [
        id,
        modelOf(providerID, provider, id, model),
      ]),
    ),
  }))
}

const kinds = ['text', 'audio', 'image', 'video', 'pdf'] as const

/** A model in the engine's form, as its configuration describes it. */
function modelOf(providerID: string, provider: ProviderConfig, id: string, model: ModelConfig) {
  const { name = id, limit = { context: 0, output: 0 }, cost, modalities } = model
  const flags = (listed: readonly string[] = ['text']) =>
    Object.fromEntries(kinds.map((kind) => [kind, listed.includes(kind)]))
  return {
    id,
    providerID,
    name,
    family: '',
    api: { id, url: '', npm: sdkPackages[protocolOf(provider)] },
    capabilities: {
      temperature: model.temperature ?? false,
      reasoning: model.reasoning ?? false,
      attachment: modalities?.input?.some((kind) => kind !== 'text') ?? false,
      toolcall: true,
      interleaved: false,
      input: flags(modalities?.input),
      output: flags(modalities?.output),
    },
    cost: {
      input: cost?.input ?? 0,
      output: cost?.output ?? 0,
      cache: { read: cost?.cacheRead ?? 0, write: cost?.cacheWrite ?? 0 },
    },
    limit,
    status: 'active',
    options: model.options ?? {},
    headers: {},
    release_date: '',
    variants: variantsOf(provider, model),
  }
}

/** The choice of effort that the engine gives a model which thinks and which it does not know. */
function variantsOf(provider: ProviderConfig, { reasoning }: ModelConfig): object {
  if (reasoning !== true || protocolOf(provider) !== 'chat/completions') return {}
  return Object.fromEntries(
    ['low', 'medium', 'high'].map((effort) => [effort, { reasoningEffort: effort }]),
  )
}

/** The model that answers by default, by provider. */
export function defaultsOf(llm: LlmConfig): Record<string, string> {
  const [provider = '', ...model] = llm.model.split('/')
  const first = Object.fromEntries(
    Object.entries(llm.providers).map(([id, { models }]) => [id, Object.keys(models)[0] ?? '']),
  )
  return { ...first, [provider]: model.join('/') }
}

/** The engine's configuration as clients see it: no keys, no addresses. */
export function configOf(llm: LlmConfig): Record<string, unknown> {
  return {
    command: {},
    plugin: [],
    model: llm.model,
    small_model: llm.smallModel ?? llm.model,
    username: 'opencode',
    mode: {},
    agent: {},
    provider: Object.fromEntries(
      Object.entries(llm.providers).map(([id, { models }]) => [
        id,
        {
          name: id,
          models: Object.fromEntries(
            Object.entries(models).map(([model, { name = model }]) => [model, { name }]),
          ),
        },
      ]),
    ),
    share: 'disabled',
    autoupdate: false,
  }
}
