import type { IncomingHttpHeaders } from 'node:http'
import { compatibleFormat, conversationFault } from './openai.ts'
import { contentText, readScript, type Script } from './script.ts'
import {
  startModelServer,
  type ModelServer,
  type ModelServerOptions,
  type Refusal,
  type WireFormat,
} from './server.ts'

/** Starts a stand-in for api.openai.com: chat completions and responses, as strict as they are there. */
export function startOpenAI(options?: ModelServerOptions): Promise<ModelServer> {
  return startModelServer([openaiChatFormat, responsesFormat], options)
}

/** Models that think before they answer. */
const reasoning = /^(o\d|gpt-5|gpt-6)/

/** Parameters that every reasoning model refuses. */
const sampling = [
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'logprobs',
  'top_logprobs',
  'logit_bias',
]

/** @see https://platform.openai.com/docs/api-reference/chat/create */
const chatFields = [
  'model messages max_completion_tokens max_tokens stream stream_options store metadata audio',
  'temperature top_p frequency_penalty presence_penalty logit_bias logprobs top_logprobs n seed stop',
  'tools tool_choice parallel_tool_calls response_format reasoning_effort verbosity prediction',
  'modalities user safety_identifier prompt_cache_key service_tier web_search_options',
].flatMap((line) => line.split(' '))

/** @see https://platform.openai.com/docs/api-reference/responses/create */
const responsesFields = [
  'model input instructions max_output_tokens max_tool_calls store include background conversation',
  'previous_response_id prompt reasoning text tools tool_choice parallel_tool_calls truncation',
  'stream stream_options temperature top_p top_logprobs metadata user safety_identifier',
  'prompt_cache_key service_tier',
].flatMap((line) => line.split(' '))

function invalid(code: string, message: string): Refusal {
  const body = { error: { message, type: 'invalid_request_error', param: null, code } }
  return { status: 400, body }
}

/** What both endpoints refuse about parameters. */
function parameterFault(
  headers: IncomingHttpHeaders,
  body: Record<string, unknown>,
  fields: readonly string[],
): Refusal | undefined {
  if (!headers['content-type']?.startsWith('application/json'))
    return invalid('invalid_content_type', 'you must provide a JSON body')
  const unknown = Object.keys(body).find((field) => !fields.includes(field))
  if (unknown !== undefined) return invalid('unknown_parameter', `Unknown parameter: '${unknown}'.`)
  if (!reasoning.test(String(body['model']))) return undefined
  // 1 is the only value that temperature and top_p may have.
  const refused = sampling.find((field) => body[field] !== undefined && body[field] !== 1)
  return refused === undefined
    ? undefined
    : invalid(
        'unsupported_parameter',
        `Unsupported parameter: '${refused}' is not supported with this model.`,
      )
}

/** Chat completions of OpenAI itself. */
export const openaiChatFormat: WireFormat = {
  ...compatibleFormat,
  refuse(headers, body) {
    const fault = parameterFault(headers, body, chatFields)
    if (fault !== undefined) return fault
    if (reasoning.test(String(body['model'])) && body['max_tokens'] !== undefined)
      return invalid(
        'unsupported_parameter',
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      )
    const message = conversationFault(body['messages'])
    return message === undefined ? undefined : invalid('invalid_value', message)
  },
}

interface Item {
  type?: string
  role?: string
  content?: unknown
  call_id?: string
  output?: unknown
  id?: string
  encrypted_content?: string | null
}

/** The Responses API. */
export const responsesFormat: WireFormat = {
  path: '/v1/responses',
  key: compatibleFormat.key,
  error: compatibleFormat.error,
  refuse(headers, body) {
    const fault = parameterFault(headers, body, responsesFields)
    if (fault !== undefined) return fault
    const tools = (body['tools'] ?? []) as { type: string; name?: string }[]
    const nameless = tools.findIndex(({ type, name }) => type === 'function' && name === undefined)
    if (nameless !== -1)
      return invalid(
        'missing_required_parameter',
        `Missing required parameter: 'tools[${nameless.toString()}].name'.`,
      )
    return inputFault(body['input'], body['store'] !== false)
  },
  script(body) {
    const items = itemsOf(body['input'])
    const instructions = items.filter(({ role }) => role === 'developer' || role === 'system')
    if (/title generator/i.test(instructions.map(({ content }) => contentText(content)).join()))
      return readScript('[[say A scripted title]]', undefined)
    const last = items.at(-1)
    const user = items.findLast(({ role }) => role === 'user')
    const result = last?.type === 'function_call_output' ? contentText(last.output) : undefined
    return readScript(contentText(user?.content), result)
  },
  frames(body, script) {
    let sequence = 0
    const event = (type: string, data: object) =>
      `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...data })}\n\n`
    const response = responsesFormat.whole(body, script) as { output: (Item & { id: string })[] }
    const begun = { ...response, status: 'in_progress', output: [], usage: null }
    const frames = [
      event('response.created', { response: begun }),
      event('response.in_progress', { response: begun }),
    ]
    for (const [index, item] of response.output.entries()) {
      const at = { output_index: index, item_id: item.id }
      const open =
        item.type === 'function_call' ? { ...item, arguments: '' } : { ...item, content: [] }
      frames.push(event('response.output_item.added', { output_index: index, item: open }))
      if (item.type === 'function_call') {
        const input = JSON.stringify(script.tool?.input)
        frames.push(event('response.function_call_arguments.delta', { ...at, delta: input }))
        frames.push(event('response.function_call_arguments.done', { ...at, arguments: input }))
      } else if (item.type === 'message') {
        const part = { type: 'output_text', text: '', annotations: [] }
        frames.push(event('response.content_part.added', { ...at, content_index: 0, part }))
        for (const delta of script.text.match(/.{1,16}/gsu) ?? [])
          frames.push(event('response.output_text.delta', { ...at, content_index: 0, delta }))
        const { text } = script
        frames.push(event('response.output_text.done', { ...at, content_index: 0, text }))
        const done = { ...part, text }
        frames.push(event('response.content_part.done', { ...at, content_index: 0, part: done }))
      }
      frames.push(event('response.output_item.done', { output_index: index, item }))
    }
    frames.push(event('response.completed', { response }))
    return frames
  },
  whole(body, script) {
    calls += 1
    const id = calls.toString()
    // What a model thought comes back sealed, and has to be sent again as it came.
    const thought = {
      type: 'reasoning',
      id: `rs_${id}`,
      summary: [],
      encrypted_content: `sealed-${id}`,
    }
    return {
      id: `resp_${id}`,
      object: 'response',
      created_at: 1,
      status: 'completed',
      model: body['model'],
      output: [
        ...(reasoning.test(String(body['model'])) ? [thought] : []),
        script.tool ? functionCall(id, script.tool) : message(id, script.text),
      ],
      usage: {
        input_tokens: 100,
        input_tokens_details: { cached_tokens: 40 },
        output_tokens: script.tool ? 20 : 10,
        output_tokens_details: { reasoning_tokens: 5 },
        total_tokens: script.tool ? 120 : 110,
      },
    }
  },
}

let calls = 0

function functionCall(id: string, { name, input }: NonNullable<Script['tool']>) {
  const call = { id: `fc_${id}`, call_id: `call_${id}`, name, arguments: JSON.stringify(input) }
  return { type: 'function_call', status: 'completed', ...call }
}

function message(id: string, text: string) {
  const content = [{ type: 'output_text', text, annotations: [] }]
  return { type: 'message', id: `msg_${id}`, status: 'completed', role: 'assistant', content }
}

function itemsOf(input: unknown): Item[] {
  return typeof input === 'string'
    ? [{ role: 'user', content: input }]
    : Array.isArray(input)
      ? (input as Item[])
      : []
}

function inputFault(input: unknown, stored: boolean): Refusal | undefined {
  const items = itemsOf(input)
  if (items.length === 0)
    return invalid('missing_required_parameter', "Missing required parameter: 'input'.")
  const called = new Set(items.flatMap((item) => (isCall(item) ? (item.call_id ?? []) : [])))
  const answered = new Set(items.flatMap((item) => (isAnswer(item) ? (item.call_id ?? []) : [])))
  for (const id of answered)
    if (!called.has(id))
      return invalid('', `No tool call found for function call output with call_id ${id}.`)
  for (const id of called)
    if (!answered.has(id)) return invalid('', `No tool output found for function call ${id}.`)
  const lost = items.find(
    ({ type, encrypted_content }) =>
      type === 'item_reference' || (type === 'reasoning' && !encrypted_content),
  )
  if (lost === undefined || stored) return undefined
  const error = {
    message: `Item with id '${lost.id ?? ''}' not found. Items are not persisted when \`store\` is set to false.`,
    type: 'invalid_request_error',
    param: 'input',
    code: null,
  }
  return { status: 404, body: { error } }
}

function isCall({ type }: Item): boolean {
  return type === 'function_call' || type === 'custom_tool_call'
}

function isAnswer({ type }: Item): boolean {
  return type === 'function_call_output' || type === 'custom_tool_call_output'
}
