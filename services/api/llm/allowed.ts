import type { Protocol } from '../../runtime/llm-config.ts'

/**
 * What a call may contain. Tools run what a model wrote, and the relay takes their calls as it takes the engine's: without this
 * list a provider's own tools (its web fetch, its MCP client, an image by URL) would be a way out of the sandbox.
 */
interface Rules {
  /** Fields of the body. */
  fields: ReadonlySet<string>
  /** Roles of messages. */
  roles: ReadonlySet<string>
  /** Types of a message's parts, and of items beside messages. */
  parts: ReadonlySet<string>
  /** Types of tools: those that the engine runs. `undefined` is a tool without a type. */
  tools: ReadonlySet<string | undefined>
}

const words = (...lines: string[]) => new Set(lines.flatMap((line) => line.split(' ')))

const rules: Readonly<Record<Protocol, Rules>> = {
  messages: {
    fields: words(
      'model max_tokens system messages stream tools tool_choice temperature top_p top_k',
      'stop_sequences thinking metadata output_config output_format cache_control',
    ),
    roles: words('user assistant'),
    parts: words('text image document thinking redacted_thinking tool_use tool_result'),
    tools: new Set([undefined, 'custom']),
  },
  'chat/completions': {
    fields: words(
      'model messages max_tokens max_completion_tokens stream stream_options tools tool_choice',
      'parallel_tool_calls temperature top_p top_k min_p frequency_penalty presence_penalty',
      'repetition_penalty seed stop response_format reasoning_effort reasoning verbosity thinking',
      'enable_thinking chat_template_args chat_template_kwargs user prompt_cache_key usage',
    ),
    roles: words('system developer user assistant tool'),
    parts: words('text image_url input_audio file refusal thinking reasoning'),
    tools: words('function'),
  },
  responses: {
    fields: words(
      'model input instructions max_output_tokens store include reasoning text tools tool_choice',
      'parallel_tool_calls truncation stream stream_options temperature top_p top_logprobs metadata',
      'user safety_identifier prompt_cache_key prompt_cache_retention',
    ),
    roles: words('system developer user assistant'),
    parts: words(
      'message function_call function_call_output custom_tool_call custom_tool_call_output reasoning',
      'input_text input_image input_file output_text refusal summary_text reasoning_text text',
    ),
    tools: words('function custom'),
  },
}

/** What else the Responses API may be asked to return: a model's own thoughts, sealed. */
const includes = new Set(['reasoning.encrypted_content'])

/** Betas of Anthropic's that change how a model answers and reach nothing outside. */
const betas = words(
  'structured-outputs-2025-11-13 interleaved-thinking-2025-05-14 context-1m-2025-08-07',
  'fine-grained-tool-streaming-2025-05-14 token-efficient-tools-2025-02-19 effort-2025-11-24',
  'output-128k-2025-02-19',
)

/**
 * Says what a call contains that is not forwarded.
 * @param more - Fields of the body that the model's `options` name; the operator has chosen them.
 * @returns one sentence that names the field; undefined where all of it may pass
 */
export function forbidden(
  protocol: Protocol,
  headers: Headers,
  body: Readonly<Record<string, unknown>>,
  more: readonly string[] = [],
): string | undefined {
  const beta = (headers.get('anthropic-beta') ?? '')
    .split(',')
    .map((name) => name.trim())
    .find((name) => name !== '' && !betas.has(name))
  if (protocol === 'messages' && beta !== undefined)
    return `the header anthropic-beta names "${cut(beta)}", which is not forwarded`
  const rule = rules[protocol]
  const field = Object.keys(body).find((name) => !rule.fields.has(name) && !more.includes(name))
  if (field !== undefined) return `the field "${cut(field)}" is not forwarded`
  return (
    toolFault(body['tools'], rule) ??
    (protocol === 'responses' ? responsesFault(body) : undefined) ??
    messagesFault(body['messages'] ?? body['input'], rule) ??
    partsFault(body['system'], 'system', rule)
  )
}

function responsesFault(body: Readonly<Record<string, unknown>>): string | undefined {
  // What is stored at the provider could be read back by another turn.
  if (body['store'] !== false) return 'the field "store" must be false'
  const include = body['include'] ?? []
  if (!Array.isArray(include) || !include.every((name) => includes.has(String(name))))
    return `the field "include" may only name ${[...includes].join(', ')}`
  return undefined
}

function toolFault(tools: unknown, rule: Rules): string | undefined {
  if (tools === undefined || tools === null) return undefined
  if (!Array.isArray(tools)) return 'the field "tools" is not a list'
  for (const [index, tool] of (tools as unknown[]).entries()) {
    const type = isObject(tool) ? tool['type'] : null
    if (!rule.tools.has(type as string | undefined))
      return `tools[${index.toString()}] is of type "${cut(String(type))}", which the provider would run itself: not forwarded`
  }
  return undefined
}

function messagesFault(messages: unknown, rule: Rules): string | undefined {
  if (messages === undefined || typeof messages === 'string') return undefined
  if (!Array.isArray(messages)) return 'the messages are not a list'
  for (const [index, message] of (messages as unknown[]).entries()) {
    const at = `messages[${index.toString()}]`
    if (!isObject(message)) return `${at} is not an object`
    const { role, type, content, output } = message
    if (role !== undefined && !rule.roles.has(String(role)))
      return `${at} has the role "${cut(String(role))}", which is not forwarded`
    // Items of the Responses API have a type; a reference to a stored item has an id alone.
    if (role === undefined && !rule.parts.has(String(type)))
      return `${at} is of type "${cut(String(type))}", which is not forwarded`
    const fault = partsFault(content, at, rule) ?? partsFault(output, at, rule)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** @param depth - Tool results hold parts in turn. */
function partsFault(parts: unknown, at: string, rule: Rules, depth = 0): string | undefined {
  if (parts === undefined || parts === null || typeof parts === 'string') return undefined
  if (!Array.isArray(parts) || depth > 3) return `the content of ${at} is not a list of parts`
  for (const part of parts as unknown[]) {
    const type = isObject(part) ? part['type'] : undefined
    if (!isObject(part) || !rule.parts.has(String(type)))
      return `${at} has a part of type "${cut(String(type))}", which is not forwarded`
    const fault =
      sourceFault(part, at) ??
      // The content of a tool's result and of a document made of parts.
      partsFault(part['content'], at, rule, depth + 1) ??
      (isObject(part['source'])
        ? partsFault(part['source']['content'], at, rule, depth + 1)
        : undefined)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** A part's data must be in the part: a provider fetches no address for us and opens no file of other calls. */
function sourceFault(part: Record<string, unknown>, at: string): string | undefined {
  const source = isObject(part['source']) ? part['source'] : {}
  const file = isObject(part['file']) ? part['file'] : {}
  const image = isObject(part['image_url']) ? part['image_url']['url'] : part['image_url']
  const remote =
    (source['type'] === 'url' && 'source.url') ||
    (('file_id' in source || 'file_id' in file || 'file_id' in part) && 'file_id') ||
    (('file_url' in part || 'file_url' in file) && 'file_url') ||
    ('url' in source && 'source.url') ||
    (image !== undefined && !isData(image) && 'image_url') ||
    (file['file_data'] !== undefined && !isData(file['file_data']) && 'file.file_data') ||
    (part['file_data'] !== undefined && !isData(part['file_data']) && 'file_data')
  return remote === false
    ? undefined
    : `${at} has a part whose "${remote}" is not data in the call itself: not forwarded`
}

function isData(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('data:')
}

/** Fit for a message and a log line, whatever a sandbox wrote. */
function cut(text: string): string {
  return text.slice(0, 64)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
