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
            models: { 'team/gpt-5': {} },
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

describe.each([
  ['openai', 'gpt-5'],
  ['azure', 'gpt-5'],
  ['anthropic', 'claude-sonnet-4-5'],
  ['litellm', 'team/gpt-5'],
])('the real engine at a strict stand-in, %s/%s', (providerID, modelID) => {
  const ask = async (session: string, text: string): Promise<string> => {
    const { info, parts } = await client.call<Answer>('POST', `/session/${session}/message`, {
      model: { providerID, modelID },
      parts: [{ type: 'text', text }],
    })
    expect(info.error).toBeUndefined()
    expect(info.tokens.input).toBeGreaterThan(0)
    return parts.map((part) => part.text ?? '').join('')
  }

  test('is answered: a prompt, a tool call, and a prompt after it', async () => {
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    expect(await ask(id, '[[say hello]]')).toContain('hello')
    const command = { command: 'echo from-a-tool', description: 'x' }
    const tool = await ask(id, `[[tool bash ${JSON.stringify(command)}]]`)
    expect(tool).toContain('The tool said: from-a-tool')
    expect(await ask(id, '[[say and again]]')).toContain('and again')
  })
})
