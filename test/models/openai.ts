import { contentText, readScript, type Script } from './script.ts'
import {
  startModelServer,
  type ModelServer,
  type ModelServerOptions,
  type WireFormat,
} from './server.ts'

interface Message {
  role: string
  content: unknown
  tool_call_id?: string
  tool_calls?: { id: string }[]
}

/** Roles that chat completions have; servers like LiteLLM and vLLM refuse others. */
const roles = ['system', 'developer', 'user', 'assistant', 'tool']

/**
 * A scripted model that speaks chat completions as LiteLLM and vLLM do: unknown parameters are passed over, malformed
 * conversations refused.
 */
export const compatibleFormat: WireFormat = {
  path: '/v1/chat/completions',
  key: ({ authorization }) => authorization?.replace(/^Bearer /, ''),
  error: (type, message) => ({ error: { message, type, param: null, code: null } }),
  refuse(_headers, body) {
    const message = conversationFault(body['messages'])
    return message === undefined
      ? undefined
      : { status: 400, body: compatibleFormat.error('BadRequestError', message) }
  },
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

/** Starts {@link compatibleFormat} on a loopback port. */
export function startCompatibleModel(options?: ModelServerOptions): Promise<ModelServer> {
  return startModelServer([compatibleFormat], options)
}

/** What is wrong with a conversation in the form of chat completions; undefined where nothing is. */
export function conversationFault(messages: unknown): string | undefined {
  if (!Array.isArray(messages) || messages.length === 0) return 'messages must not be empty'
  const open = new Set<string>()
  for (const [index, message] of (messages as Message[]).entries()) {
    const at = `messages[${index.toString()}]`
    if (!roles.includes(message.role)) return `${at}.role "${message.role}" is not a role`
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id ?? ''))
        return `${at}: a message of role "tool" must follow the "tool_calls" that it answers`
    } else if (open.size > 0) {
      return `${at}: tool_call_ids without an answer: ${[...open].join(', ')}`
    }
    for (const { id } of message.tool_calls ?? []) open.add(id)
  }
  return undefined
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
