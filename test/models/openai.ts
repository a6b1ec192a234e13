import { contentText, readScript, type Script } from './script.ts'
import { startModelServer, type ModelServer, type WireFormat } from './server.ts'

interface Message {
  role: string
  content: unknown
}

/** A scripted model that speaks OpenAI-compatible chat completions. */
export const openaiFormat: WireFormat = {
  path: '/v1/chat/completions',
  script(body) {
    const messages = body['messages'] as Message[]
    const last = messages.at(-1)
    const user = messages.findLast(({ role }) => role === 'user')
    if (
      /title generator/i.test(contentText(messages.find(({ role }) => role === 'system')?.content))
    )
      return readScript('[[say A scripted title]]', undefined)
    return readScript(
      contentText(user?.content),
      last?.role === 'tool' ? contentText(last.content) : undefined,
    )
  },
  frames(body, script) {
    const chunk = (delta: object, finish: string | null) => ({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1,
      model: body['model'],
      choices: [{ index: 0, delta, finish_reason: finish }],
    })
    const frames: object[] = [chunk({ role: 'assistant', content: '' }, null)]
    if (script.tool)
      frames.push(chunk({ tool_calls: [{ index: 0, ...toolCall(script.tool) }] }, null))
    else
      for (const piece of script.text.match(/.{1,16}/gsu) ?? [])
        frames.push(chunk({ content: piece }, null))
    frames.push(chunk({}, script.tool ? 'tool_calls' : 'stop'))
    const wantsUsage =
      (body['stream_options'] as { include_usage?: boolean } | undefined)?.include_usage === true
    if (wantsUsage) frames.push({ ...chunk({}, null), choices: [], usage: usage(body, script) })
    return [...frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`), 'data: [DONE]\n\n']
  },
  whole(body, script) {
    const message = script.tool
      ? { role: 'assistant', content: null, tool_calls: [toolCall(script.tool)] }
      : { role: 'assistant', content: script.text }
    const choices = [{ index: 0, message, finish_reason: script.tool ? 'tool_calls' : 'stop' }]
    return {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: body['model'],
      choices,
      usage: usage(body, script),
    }
  },
}

/** Starts {@link openaiFormat} on a loopback port. */
export function startOpenAIModel(port?: number): Promise<ModelServer> {
  return startModelServer(openaiFormat, port)
}

let calls = 0

function toolCall({ name, input }: NonNullable<Script['tool']>) {
  calls += 1
  return {
    id: `call_${calls.toString()}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(input) },
  }
}

/** Fixed numbers, so that tests can add them up. */
function usage(_body: Record<string, unknown>, script: Script) {
  return {
    prompt_tokens: 100,
    completion_tokens: script.tool ? 20 : 10,
    total_tokens: script.tool ? 120 : 110,
    prompt_tokens_details: { cached_tokens: 40 },
  }
}
