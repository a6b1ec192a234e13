import { contentText, readScript } from './script.ts'
import { startModelServer, type ModelServer, type WireFormat } from './server.ts'

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
    const frames = [event('message_start', { message: { ...message, usage: start } })]
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
export function startAnthropicModel(port?: number): Promise<ModelServer> {
  return startModelServer(anthropicFormat, port)
}

let tools = 0

function toolID(): string {
  tools += 1
  return `toolu_${tools.toString()}`
}
