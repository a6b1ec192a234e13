import type { Protocol } from '../../runtime/llm-config.ts'

/** Tokens of one model call, by type. A type the provider did not report is absent. */
export interface Tokens {
  input?: number
  output?: number
  cache_read?: number
  cache_write?: number
  reasoning?: number
}

/** Reads a provider's answer as it streams past and remembers what it says about tokens. */
export class UsageReader {
  readonly #decoder = new TextDecoder()
  readonly #protocol: Protocol
  /** Whether the answer is an event stream rather than one document. */
  readonly streamed: boolean
  #rest = ''
  #tokens: Tokens = {}
  #textBytes = 0
  #final = false
  #ended = false

  /**
   * @param protocol - Which shape the answer has.
   * @param streamed - Whether the answer is an event stream (`text/event-stream`) rather than one JSON document.
   */
  constructor(protocol: Protocol, streamed: boolean) {
    this.#protocol = protocol
    this.streamed = streamed
  }

  /** Takes the next bytes of the answer. Never throws: what cannot be read is not usage. */
  push(chunk: Uint8Array): void {
    this.#rest += this.#decoder.decode(chunk, { stream: true })
    if (!this.streamed) return
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data:')) this.#read(line.slice(5))
  }

  /** Whether the answer has said that it is over. A stream that stops without doing so was cut off. */
  get ended(): boolean {
    return this.#ended
  }

  /** The tokens seen. `estimated` says that the answer ended early and output was counted from its text (4 bytes a token). */
  finish(): { tokens: Tokens; estimated: boolean } {
    if (!this.streamed) this.#read(this.#rest)
    this.#rest = ''
    if (this.#final || this.#textBytes === 0) return { tokens: this.#tokens, estimated: false }
    const output = Math.max(this.#tokens.output ?? 0, Math.ceil(this.#textBytes / 4))
    return { tokens: { ...this.#tokens, output }, estimated: true }
  }

  #read(json: string): void {
    if (json.trim() === '[DONE]') this.#ended = true
    let value: unknown
    try {
      value = JSON.parse(json)
    } catch {
      return
    }
    if (!isObject(value)) return
    // An error in the middle of a stream is the provider's own last word, in both shapes.
    if (isObject(value['error'])) this.#ended = true
    if (this.#protocol === 'messages') this.#readAnthropic(value)
    else if (this.#protocol === 'responses') this.#readResponses(value)
    else this.#readChat(value)
  }

  #readAnthropic(event: Record<string, unknown>): void {
    const message = isObject(event['message']) ? event['message'] : event
    const usage = message['usage']
    if (isObject(usage)) {
      this.#set('input', usage['input_tokens'])
      this.#set('output', usage['output_tokens'])
      this.#set('cache_read', usage['cache_read_input_tokens'])
      this.#set('cache_write', usage['cache_creation_input_tokens'])
      // `message_start` carries a first guess of the output; only `message_delta` (or a whole message) carries the count.
      if (event['type'] !== 'message_start') this.#final = true
    }
    if (event['type'] === 'message_stop') this.#ended = true
    const delta = event['delta']
    if (isObject(delta)) this.#count(delta['text'], delta['partial_json'], delta['thinking'])
  }

  #readResponses(event: Record<string, unknown>): void {
    const { type } = event
    if (
      type === 'response.completed' ||
      type === 'response.incomplete' ||
      type === 'response.failed' ||
      type === 'error'
    )
      this.#ended = true
    // An answer that is not streamed is the response itself.
    const response = isObject(event['response']) ? event['response'] : event
    const usage = response['usage']
    if (isObject(usage)) {
      const input = isObject(usage['input_tokens_details']) ? usage['input_tokens_details'] : {}
      const output = isObject(usage['output_tokens_details']) ? usage['output_tokens_details'] : {}
      this.#set('input', usage['input_tokens'])
      this.#set('output', usage['output_tokens'])
      this.#set('cache_read', input['cached_tokens'])
      this.#set('reasoning', output['reasoning_tokens'])
      this.#final = true
    }
    this.#count(event['delta'])
  }

  #readChat(chunk: Record<string, unknown>): void {
    const usage = chunk['usage']
    if (isObject(usage)) {
      const prompt = isObject(usage['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {}
      const completion = isObject(usage['completion_tokens_details'])
        ? usage['completion_tokens_details']
        : {}
      this.#set('input', usage['prompt_tokens'])
      this.#set('output', usage['completion_tokens'])
      this.#set('cache_read', prompt['cached_tokens'])
      this.#set('reasoning', completion['reasoning_tokens'])
      this.#final = true
    }
    for (const choice of Array.isArray(chunk['choices']) ? (chunk['choices'] as unknown[]) : []) {
      if (!isObject(choice)) continue
      // Not every server of this kind closes with [DONE].
      if (typeof choice['finish_reason'] === 'string') this.#ended = true
      const { delta } = choice
      if (!isObject(delta)) continue
      this.#count(delta['content'], delta['reasoning_content'])
      for (const call of Array.isArray(delta['tool_calls'])
        ? (delta['tool_calls'] as unknown[])
        : []) {
        const called = isObject(call) ? call['function'] : undefined
        if (isObject(called)) this.#count(called['arguments'])
      }
    }
  }

  #set(type: keyof Tokens, value: unknown): void {
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0)
      this.#tokens[type] = value
  }

  #count(...texts: unknown[]): void {
    for (const text of texts)
      if (typeof text === 'string') this.#textBytes += Buffer.byteLength(text)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
