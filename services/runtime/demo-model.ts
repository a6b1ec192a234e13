import { setTimeout as sleep } from 'node:timers/promises'

/** The parts of a chat-completions request that the scripted model looks at. */
export interface ChatRequest {
  model?: string
  stream?: boolean
  messages?: { role?: string; content?: unknown }[]
  tools?: { function?: { name?: string } }[]
}

/** What the scripted model has decided to say. */
type Reply = { text: string } | { tool: { name: string; input: Record<string, unknown> } }

/** Longest pause a prompt can ask the scripted model's tool call for, seconds. */
const MAX_SLEEP_SECONDS = 60

/**
 * Decides what to answer. The whole script:
 * - a prompt with the word "tool" (and a bash tool on offer): one harmless bash call, lasting N seconds if the prompt says "for N seconds";
 * - after a tool's result: that result, quoted;
 * - anything else: says that it is a scripted model and quotes the prompt.
 */
export function script(request: ChatRequest): Reply {
  const messages = request.messages ?? []
  const last = messages.at(-1)
  const prompt = text(messages.findLast((message) => message.role === 'user')?.content)
  if (last?.role === 'tool')
    return {
      text: `This is the scripted demo model. The tool said: ${text(last.content).trim().slice(0, 2000)}`,
    }
  const system = text(messages.find((message) => message.role === 'system')?.content)
  if (/title generator/i.test(system)) return { text: 'Scripted demo session' }
  const bash = request.tools?.some((tool) => tool.function?.name === 'bash')
  if (bash && /\btool\b/i.test(prompt)) {
    const seconds = Math.min(
      Number(/for (\d+) seconds?/i.exec(prompt)?.[1] ?? 0),
      MAX_SLEEP_SECONDS,
    )
    const pause = seconds > 0 ? `sleep ${seconds.toString()} && ` : ''
    return {
      tool: {
        name: 'bash',
        input: {
          command: `${pause}echo "hello from a tool call" && pwd`,
          description: 'Prints a greeting',
        },
      },
    }
  }
  return {
    text: `This is the scripted demo model; it does not think. You said: ${prompt.trim().slice(0, 2000)}`,
  }
}

/** Answers a chat-completions request as an OpenAI-compatible server would, streamed when the request asks for it. */
export function answerDemo(request: ChatRequest): Response {
  const reply = script(request)
  const model = request.model ?? 'scripted'
  const id = `chatcmpl-${crypto.randomUUID()}`
  const usage = tokens(request, reply)
  const base = { id, created: Math.floor(Date.now() / 1000), model }
  if (request.stream !== true) {
    const message = { role: 'assistant', ...content(reply) }
    return Response.json({
      ...base,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: finish(reply) }],
      usage,
    })
  }
  const chunk = (delta: object, finishReason: string | null) => ({
    ...base,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  })
  const chunks: object[] = [chunk({ role: 'assistant', content: '' }, null)]
  if ('tool' in reply)
    chunks.push(
      chunk({ tool_calls: toolCalls(reply).map((call) => ({ index: 0, ...call })) }, null),
    )
  else
    for (const piece of reply.text.match(/.{1,24}/gsu) ?? [])
      chunks.push(chunk({ content: piece }, null))
  chunks.push(chunk({}, finish(reply)), {
    ...base,
    object: 'chat.completion.chunk',
    choices: [],
    usage,
  })
  return new Response(stream(chunks), {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store' },
  })
}

function content(reply: Reply): object {
  return 'tool' in reply ? { content: null, tool_calls: toolCalls(reply) } : { content: reply.text }
}

function toolCalls(reply: Extract<Reply, { tool: unknown }>) {
  const { name, input } = reply.tool
  return [
    {
      id: `call_${crypto.randomUUID().slice(0, 8)}`,
      type: 'function',
      function: { name, arguments: JSON.stringify(input) },
    },
  ]
}

function finish(reply: Reply): string {
  return 'tool' in reply ? 'tool_calls' : 'stop'
}

/** Plausible counts, so that dashboards have something to show: 4 bytes a token. */
function tokens(request: ChatRequest, reply: Reply) {
  const prompt = Math.ceil(JSON.stringify(request.messages ?? []).length / 4)
  const completion = Math.ceil(JSON.stringify(reply).length / 4)
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion }
}

function stream(chunks: object[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const frames = [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]']
  return new ReadableStream({
    async pull(controller) {
      const frame = frames.shift()
      if (frame === undefined) {
        controller.close()
        return
      }
      // A real model speaks in pieces; a tick between frames keeps consumers honest about streaming.
      await sleep(1)
      controller.enqueue(encoder.encode(`data: ${frame}\n\n`))
    },
  })
}

/** The text of a message: a string, or the text parts of a list. */
function text(value: unknown): string {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return ''
  return value
    .map((part: unknown) =>
      typeof part === 'object' && part !== null && 'text' in part ? String(part.text) : '',
    )
    .join('\n')
}
