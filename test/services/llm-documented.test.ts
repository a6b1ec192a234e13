import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { chooseProvider } from '../../cluster/provider.ts'
import { loadLlmConfig, type LlmConfig } from '../../services/runtime/llm-config.ts'
import { providerRequest } from '../../services/api/llm/upstream.ts'
import { render, type KubernetesObject } from '../chart/lib/render.ts'
import { Client, startStores, startTestApi, token, type Stores } from './support/api.ts'

/** Every way in that README documents, and where its calls must go. */
const ways = [
  {
    env: { ANTHROPIC_API_KEY: 'k' },
    model: 'anthropic/claude-sonnet-4-5',
    url: 'https://api.anthropic.com/v1/messages',
    key: { 'x-api-key': 'k' },
  },
  {
    env: { OPENAI_API_KEY: 'k' },
    model: 'openai/gpt-5',
    url: 'https://api.openai.com/v1/responses',
    key: { authorization: 'Bearer k' },
  },
  {
    env: { OPENAI_API_KEY: 'k', OPENCODE_MODEL: 'gpt-5.1' },
    model: 'openai/gpt-5.1',
    url: 'https://api.openai.com/v1/responses',
    key: { authorization: 'Bearer k' },
  },
  {
    env: { OPENAI_BASE_URL: 'http://10.0.0.1:8000/v1', OPENCODE_MODEL: 'org/local-model' },
    model: 'openai/org/local-model',
    url: 'http://10.0.0.1:8000/v1/chat/completions',
    key: {},
  },
  {
    env: { OPENAI_BASE_URL: 'https://llm.corp/v1/', OPENCODE_MODEL: 'm', OPENAI_API_KEY: 'k' },
    model: 'openai/m',
    url: 'https://llm.corp/v1/chat/completions',
    key: { authorization: 'Bearer k' },
  },
]

const folder = mkdtempSync(join(tmpdir(), 'opencode-documented-'))
let stores: Stores

beforeAll(async () => {
  stores = await startStores()
})
afterAll(async () => {
  await stores.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** The provider file and the variables with keys that the API's pod is given. */
async function deployed(
  values: object,
): Promise<{ llm: LlmConfig; keys: Record<string, { name: string; key: string }> }> {
  const objects = await render('helm4', { values })
  const config = named(objects, 'ConfigMap', 'opencode-llm') as unknown as {
    data: Record<string, string>
  }
  const file = join(folder, 'llm.json')
  writeFileSync(file, config.data['llm.json'] ?? '')
  const api = named(objects, 'Deployment', 'opencode-api') as unknown as Deployment
  const env = api.spec.template.spec.containers.flatMap((container) => container.env ?? [])
  const keys = env.flatMap(({ name, valueFrom }) =>
    name.startsWith('LLM_KEY_') && valueFrom?.secretKeyRef
      ? [[name, valueFrom.secretKeyRef] as const]
      : [],
  )
  return { llm: loadLlmConfig(file), keys: Object.fromEntries(keys) }
}

interface Deployment {
  spec: {
    template: {
      spec: {
        containers: {
          env?: { name: string; valueFrom?: { secretKeyRef?: { name: string; key: string } } }[]
        }[]
      }
    }
  }
}

/** Of the release's own namespace: workers and sandboxes have a file of the same name, without addresses and keys. */
function named(objects: KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.find(
    ({ kind: own, metadata }) =>
      own === kind && metadata.name === name && metadata.namespace === 'opencode',
  )
  if (found === undefined) throw new Error(`no ${kind} ${name} is rendered`)
  return found
}

describe('from the variables of "npm run up" to the API', () => {
  test.each(ways)('$env', async ({ env, model, url, key }) => {
    const provider = chooseProvider(env)
    const { llm, keys } = await deployed(provider.values ?? {})
    const secrets = Object.fromEntries(
      Object.entries(keys).map(([name, ref]) => {
        expect(ref.name).toBe('opencode-provider-keys')
        return [name, provider.keys[ref.key]]
      }),
    )
    const api = await startTestApi(stores, {}, llm)
    try {
      const client = new Client(api.url, await token('acme'))
      expect(await client.call('GET', '/config')).toMatchObject({ model })
      const { providers } = await client.call<{
        providers: { id: string; models: Record<string, unknown> }[]
      }>('GET', '/config/providers')
      const [id = '', ...rest] = model.split('/')
      expect(providers.map((one) => [one.id, Object.keys(one.models)])).toEqual([
        [id, [rest.join('/')]],
      ])
      const entry = llm.providers[id]
      if (entry === undefined) throw new Error(`no provider ${id}`)
      const request = providerRequest(id, entry, rest.join('/'), new Headers(), secrets)
      expect(request.url).toBe(url)
      expect(request.headers).toMatchObject(key)
    } finally {
      await api.stop()
    }
  })
})

test('the values that README shows for OpenAI', async () => {
  const values = parse(`
    llm:
      providers:
        demo: null
        openai: { kind: openai, apiKeySecretKey: OPENAI_API_KEY, models: { gpt-5: { name: gpt-5 } } }
      model: openai/gpt-5
      smallModel: openai/gpt-5
    credentials: { llm: { existingSecret: models } }
  `) as object
  const { llm, keys } = await deployed(values)
  expect(llm.providers['openai']).toMatchObject({ kind: 'openai', apiKeyEnv: 'LLM_KEY_OPENAI' })
  expect(keys).toEqual({ LLM_KEY_OPENAI: { name: 'models', key: 'OPENAI_API_KEY' } })
})
