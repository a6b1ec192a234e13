import { describe, expect, it } from 'vitest'
import { chooseProvider } from '../../cluster/provider.ts'
import { podTrouble, type PodView } from '../../cluster/release.ts'
import { localRoute } from '../../cluster/routes.ts'

describe('chooseProvider', () => {
  it('falls back on the scripted model and says so', () => {
    expect(chooseProvider({})).toMatchObject({
      title: expect.stringContaining('scripted demo model'),
      values: undefined,
      keys: {},
    })
  })

  it('prefers Anthropic, and never writes the key into values', () => {
    const provider = chooseProvider({ ANTHROPIC_API_KEY: 'secret', OPENAI_API_KEY: 'other' })
    expect(provider.keys).toEqual({ ANTHROPIC_API_KEY: 'secret' })
    expect(provider.values).toMatchObject({
      llm: {
        model: 'anthropic/claude-sonnet-4-5',
        providers: {
          demo: null,
          anthropic: { kind: 'anthropic', apiKeySecretKey: 'ANTHROPIC_API_KEY' },
        },
      },
      credentials: { llm: { existingSecret: 'opencode-provider-keys' } },
    })
    expect(JSON.stringify(provider.values)).not.toContain('secret"')
  })

  it('takes an OpenAI-compatible server without a key', () => {
    const provider = chooseProvider({
      OPENAI_BASE_URL: 'http://10.0.0.1:8000/v1',
      OPENCODE_MODEL: 'local-model',
    })
    expect(provider.values).toEqual({
      llm: {
        providers: {
          demo: null,
          openai: {
            kind: 'openai',
            baseURL: 'http://10.0.0.1:8000/v1',
            models: { 'local-model': { name: 'local-model' } },
          },
        },
        model: 'openai/local-model',
        smallModel: 'openai/local-model',
      },
    })
  })

  it('asks for the model of such a server', () => {
    expect(() => chooseProvider({ OPENAI_BASE_URL: 'http://10.0.0.1/v1' })).toThrow(
      'OPENAI_BASE_URL is "http://10.0.0.1/v1" but no model is named: set OPENCODE_MODEL',
    )
  })
})

describe('podTrouble', () => {
  const pod = (status: PodView['status']): PodView => ({
    metadata: { namespace: 'opencode', name: 'opencode-api-1' },
    status,
  })

  it('finds nothing wrong with ready and finished pods', () => {
    expect(
      podTrouble(pod({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] })),
    ).toBeUndefined()
    expect(podTrouble(pod({ phase: 'Succeeded' }))).toBeUndefined()
  })

  it('quotes why an image cannot be pulled, and knows that waiting does not help', () => {
    const waiting = {
      reason: 'ImagePullBackOff',
      message: 'Back-off pulling image "ghcr.io/opencode/api:nope"',
    }
    const status = {
      phase: 'Pending',
      containerStatuses: [{ name: 'api', ready: false, restartCount: 0, state: { waiting } }],
    }
    expect(podTrouble(pod(status))).toEqual({
      text: 'opencode/opencode-api-1, container api: ImagePullBackOff: Back-off pulling image "ghcr.io/opencode/api:nope"',
      stuck: true,
    })
  })

  it('quotes why a pod cannot be scheduled', () => {
    const conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        message: '0/4 nodes are available: 4 Insufficient memory.',
      },
    ]
    expect(podTrouble(pod({ phase: 'Pending', conditions }))).toMatchObject({
      text: expect.stringContaining('Insufficient memory'),
      stuck: false,
    })
  })

  it('says of a starting pod only that it is not ready', () => {
    const status = {
      phase: 'Running',
      containerStatuses: [{ name: 'api', ready: false, restartCount: 0, state: {} }],
    }
    expect(podTrouble(pod(status))).toEqual({
      text: 'opencode/opencode-api-1 is not ready',
      stuck: false,
    })
  })
})

describe('localRoute', () => {
  it("keeps streams open and the workers' paths closed", () => {
    const { spec } = localRoute({ name: 'opencode', namespace: 'opencode' }) as {
      spec: { rules: { matches: unknown; backendRefs?: unknown; timeouts?: unknown }[] }
    }
    const internal = spec.rules.find(({ matches }) => JSON.stringify(matches).includes('/internal'))
    expect(internal).not.toHaveProperty('backendRefs')
    expect(
      spec.rules
        .filter(({ backendRefs }) => backendRefs !== undefined)
        .map(({ timeouts }) => timeouts),
    ).toEqual([{ request: '0s' }, { request: '0s' }])
  })
})
