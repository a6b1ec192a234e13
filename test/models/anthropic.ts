import type { IncomingHttpHeaders } from 'node:http'
import { contentText, readScript } from './script.ts'
import {
  startModelServer,
  type ModelServer,
  type ModelServerOptions,
  type Refusal,
  type WireFormat,
} from './server.ts'

interface Block {
  type: string
  text?: string
  content?: unknown
}
interface Message {
  role: string
  content: string | Block[]
}

/** A scripted model that speaks Anthropic's Messages API. */
export const anthropicFormat: WireFormat = {
  path: '/v1/messages',
  key: (headers) => headers['x-api-key']?.toString(),
  error: (type, message) => ({ type: 'error', error: { type, message } }),
  refuse(headers, body) {
    const message = headerFault(headers) ?? bodyFault(body)
    return message === undefined ? undefined : invalid(message)
  },
  script(body) {
    const messages = body['messages'] as Message[]
    if (/title generator/i.test(contentText(body['system'])))
      return readScript('[[say A scripted title]]', undefined)
    const isResult = ({ role, content }: Message) =>
      role === 'user' &&
      Array.isArray(content) &&
      content.some(({ type }) => type === 'tool_result')
    const last = messages.at(-1)
    const prompt = messages.findLast((message) => message.role === 'user' && !isResult(message))
    const result =
      last && isResult(last)
        ? (last.content as Block[]).findLast(({ type }) => type === 'tool_result')
        : undefined
    return readScript(
      contentText(prompt?.content),
      result ? contentText(result.content) : undefined,
    )
  },
  frames(body, script) {
    const event = (type: string, data: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`
    const message = {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: body['model'],
      content: [],
      stop_reason: null,
      stop_sequence: null,
    }
    const start = {
      input_tokens: 60,
      output_tokens: 1,
      cache_read_input_tokens: 40,
      cache_creation_input_tokens: 5,
    }
    const frames = [
      event('message_start', { message: { ...message, usage: start } }),
      event('ping', {}),
    ]
    if (script.tool) {
      frames.push(
        event('content_block_start', {
          index: 0,
          content_block: { type: 'tool_use', id: toolID(), name: script.tool.name, input: {} },
        }),
      )
      frames.push(
        event('content_block_delta', {
          index: 0,
          delta: { type: 'input_json_delta', partial_json: JSON.stringify(script.tool.input) },
        }),
      )
    } else {
      frames.push(
        event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
      )
      for (const piece of script.text.match(/.{1,16}/gsu) ?? []) {
        frames.push(
          event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: piece } }),
        )
      }
    }
    frames.push(event('content_block_stop', { index: 0 }))
    const stop = { stop_reason: script.tool ? 'tool_use' : 'end_turn', stop_sequence: null }
    frames.push(
      event('message_delta', { delta: stop, usage: { output_tokens: script.tool ? 20 : 10 } }),
    )
    frames.push(event('message_stop', {}))
    return frames
  },
  whole(body, script) {
    const content = script.tool
      ? [{ type: 'tool_use', id: toolID(), ...script.tool }]
      : [{ type: 'text', text: script.text }]
    const usage = {
      input_tokens: 60,
      output_tokens: script.tool ? 20 : 10,
      cache_read_input_tokens: 40,
      cache_creation_input_tokens: 5,
    }
    return {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: body['model'],
      content,
      stop_reason: script.tool ? 'tool_use' : 'end_turn',
      usage,
    }
  },
}

/** Starts {@link anthropicFormat} on a loopback port. */
export function startAnthropicModel(options?: ModelServerOptions): Promise<ModelServer> {
  return startModelServer([anthropicFormat], options)
}

/** Fields of a call. @see https://docs.anthropic.com/en/api/messages */
const fields = new Set(
  [
    'model messages max_tokens system stream temperature top_p top_k stop_sequences tools tool_choice',
    'thinking metadata service_tier container context_management mcp_servers output_config',
    'output_format cache_control',
  ].flatMap((line) => line.split(' ')),
)

/** Betas that the API knows; others are an error there. */
const betas = new Set([
  'structured-outputs-2025-11-13',
  'interleaved-thinking-2025-05-14',
  'fine-grained-tool-streaming-2025-05-14',
  'context-1m-2025-08-07',
  'mcp-client-2025-04-04',
])

/** Types of the blocks that a user's or an assistant's message may have. */
const blocks: Record<string, readonly string[]> = {
  user: ['text', 'image', 'document', 'tool_result'],
  assistant: ['text', 'tool_use', 'thinking', 'redacted_thinking'],
}

function invalid(message: string): Refusal {
  return {
    status: 400,
    body: anthropicFormat.error('invalid_request_error', message),
  }
}

function headerFault(headers: IncomingHttpHeaders): string | undefined {
  const version = headers['anthropic-version']
  if (version === undefined) return 'anthropic-version: header is required'
  if (version !== '2023-06-01') return `anthropic-version: "${version.toString()}" is not valid`
  const unknown = (headers['anthropic-beta']?.toString().split(',') ?? [])
    .map((beta) => beta.trim())
    .find((beta) => !betas.has(beta))
  return unknown === undefined
    ? undefined
    : `Unexpected value(s) \`${unknown}\` for the \`anthropic-beta\` header.`
}

function bodyFault(body: Record<string, unknown>): string | undefined {
  const extra = Object.keys(body).find((field) => !fields.has(field))
  if (extra !== undefined) return `${extra}: Extra inputs are not permitted`
  if (typeof body['max_tokens'] !== 'number') return 'max_tokens: Field required'
  if (body['temperature'] !== undefined && body['top_p'] !== undefined)
    return '`temperature` and `top_p` cannot both be specified for this model.'
  const thinking = body['thinking'] as { type?: string; budget_tokens?: number } | undefined
  if (thinking?.type === 'enabled' && (body['temperature'] ?? 1) !== 1)
    return '`temperature` may only be set to 1 when thinking is enabled.'
  if (thinking?.type === 'enabled' && (thinking.budget_tokens ?? 0) >= body['max_tokens'])
    return '`max_tokens` must be greater than `thinking.budget_tokens`.'
  return messagesFault(body['messages'])
}

function messagesFault(messages: unknown): string | undefined {
  if (!Array.isArray(messages) || messages.length === 0)
    return 'messages: at least one message is required'
  let open: string[] = []
  for (const [index, { role, content }] of (messages as Message[]).entries()) {
    const at = `messages.${index.toString()}`
    const allowed = blocks[role]
    if (allowed === undefined) return `messages: Unexpected role "${role}"`
    if (index === 0 && role !== 'user') return 'messages: first message must use the "user" role'
    const list = typeof content === 'string' ? [{ type: 'text', text: content }] : content
    const wrong = list.find(({ type }) => !allowed.includes(type))
    if (wrong !== undefined) return `${at}.content: Input tag '${wrong.type}' is not expected`
    if (list.some(({ type, text }) => type === 'text' && text === ''))
      return 'messages: text content blocks must be non-empty'
    const answered = (list as ToolBlock[]).flatMap((block) => block.tool_use_id ?? [])
    const missing = open.find((id) => !answered.includes(id))
    if (missing !== undefined)
      return `${at}: \`tool_use\` ids were found without \`tool_result\` blocks: ${missing}`
    const stray = answered.find((id) => !open.includes(id))
    if (stray !== undefined) return `${at}: unexpected \`tool_use_id\` found: ${stray}`
    open = (list as ToolBlock[]).flatMap(({ type, id }) =>
      type === 'tool_use' && id !== undefined ? [id] : [],
    )
  }
  return undefined
}

interface ToolBlock {
  type: string
  id?: string
  tool_use_id?: string
}

let tools = 0

function toolID(): string {
  tools += 1
  return `toolu_${tools.toString()}`
}
