/**
 * Span attribute names of model calls and tool calls, in one place because the GenAI conventions are still in development.
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/
 */
export const genAiAttributes = {
  operation: 'gen_ai.operation.name',
  provider: 'gen_ai.provider.name',
  requestModel: 'gen_ai.request.model',
  conversation: 'gen_ai.conversation.id',
  stream: 'gen_ai.request.stream',
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cacheReadTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheWriteTokens: 'gen_ai.usage.cache_creation.input_tokens',
  toolName: 'gen_ai.tool.name',
  toolCallID: 'gen_ai.tool.call.id',
  errorType: 'error.type',
  // The names the first dashboards were built on; kept beside the conventions.
  plainProvider: 'llm.provider',
  plainModel: 'llm.model',
  plainInputTokens: 'llm.tokens.input',
  plainOutputTokens: 'llm.tokens.output',
  estimated: 'llm.tokens.estimated',
  retries: 'llm.retries',
} as const
