import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startAnthropicModel } from '../models/anthropic.ts'
import { startOpenAI } from '../models/openai-itself.ts'
import { startCompatibleModel } from '../models/openai.ts'
import type { ModelServer } from '../models/server.ts'
import type { Client } from './support/api.ts'
import { startSystem, type System } from './support/system.ts'

const key = 'the-key-of-the-provider'

let system: System
let client: Client
let openai: ModelServer
let anthropic: ModelServer
let compatible: ModelServer

beforeAll(async () => {
  vi.stubEnv('PROVIDER_KEY', key)
  openai = await startOpenAI({ key })
  anthropic = await startAnthropicModel({ key })
  compatible = await startCompatibleModel({ key })
  const apiKeyEnv = 'PROVIDER_KEY'
  const openaiURL = { kind: 'openai', apiKeyEnv, baseURL: openai.url } as const
  system = await startSystem(
    {},
    {
      llm: {
        limits: { firstByteSeconds: 20 },
        providers: {
          openai: { ...openaiURL, api: 'responses', models: { 'gpt-5': {} } },
          azure: { ...openaiURL, api: 'responses', models: { 'gpt-5': {} } },
          anthropic: {
            kind: 'anthropic',
            apiKeyEnv,
            baseURL: anthropic.url,
            models: { 'claude-sonnet-4-5': {} },
          },
          litellm: {
            kind: 'openai',
            apiKeyEnv,
            baseURL: compatible.url,
            models: { 'team/gpt-5': { modalities: { input: ['text', 'image'] }, reasoning: true } },
          },
        },
        model: 'openai/gpt-5',
      },
    },
  )
  client = await system.client()
})

afterAll(async () => {
  await system.stop()
  await Promise.all([openai.close(), anthropic.close(), compatible.close()])
  vi.unstubAllEnvs()
})

interface Answer {
  info: { error?: unknown; tokens: { input: number; output: number } }
  parts: { type: string; text?: string }[]
}

/** One black pixel. */
const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

describe.each([
  ['openai', 'gpt-5', () => openai],
  ['azure', 'gpt-5', () => openai],
  ['anthropic', 'claude-sonnet-4-5', () => anthropic],
  ['litellm', 'team/gpt-5', () => compatible],
])('the real engine at a strict stand-in, %s/%s', (providerID, modelID, server) => {
  const ask = async (session: string, text: string, image?: string): Promise<string> => {
    const url = `data:image/png;base64,${image ?? ''}`
    const { info, parts } = await client.call<Answer>('POST', `/session/${session}/message`, {
      model: { providerID, modelID },
      parts: [
        { type: 'text', text },
        ...(image === undefined ? [] : [{ type: 'file', mime: 'image/png', url }]),
      ],
    })
    expect(info.error).toBeUndefined()
    expect(info.tokens.input).toBeGreaterThan(0)
    return parts.map((part) => part.text ?? '').join('')
  }

  test('is answered: a prompt with an image, then a tool call', async () => {
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    expect(await ask(id, '[[say hello]]', pixel)).toContain('hello')
    // A model that nothing is known of, like an own name on Azure, is sent no image.
    if (providerID !== 'azure')
      expect(JSON.stringify(server().calls.map(({ body }) => body))).toContain(pixel)
    const command = { command: 'echo from-a-tool', description: 'x' }
    const tool = await ask(id, `[[tool bash ${JSON.stringify(command)}]]`)
    expect(tool).toContain('The tool said: from-a-tool')
  })
})

test('a provider that stays silent is asked once, and the prompt ends with an error', async () => {
  const { id } = await client.call<{ id: string }>('POST', '/session', {})
  const { info } = await client.call<Answer>('POST', `/session/${id}/message`, {
    model: { providerID: 'litellm', modelID: 'team/gpt-5' },
    parts: [{ type: 'text', text: 'anybody? [[silent]]' }],
  })
  expect(JSON.stringify(info.error)).toContain('gave no answer')
  // The call for the session's title carries the same words, and no tools.
  const asked = compatible.calls.filter(
    ({ body }) => body['tools'] !== undefined && JSON.stringify(body).includes('anybody?'),
  )
  expect(asked).toHaveLength(1)
})
