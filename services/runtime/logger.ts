import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger } from 'pino'

/** Fields that never reach a log, wherever they turn up at the first levels of an object. */
const secret = [
  'authorization',
  'password',
  'token',
  'cookie',
  'apiKey',
  'secret',
  'body',
  'parts',
  'content',
  'text',
]

/**
 * A JSON logger. Fields that could hold a credential or a message's contents are removed, not masked.
 * @param service - `api`, `websocket` or `worker`.
 */
export function createLogger(
  service: string,
  {
    level = process.env['LOG_LEVEL'] ?? 'info',
    region = process.env['REGION'] ?? 'local',
    destination,
  }: { level?: string; region?: string; destination?: DestinationStream } = {},
): Logger {
  const options = {
    level,
    base: { service, region },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), remove: true },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** An error as fields: its message and stack, and the first cause's message. */
export function errorFields(error: unknown): { error: string; stack?: string; cause?: string } {
  if (!(error instanceof Error)) return { error: String(error) }
  return {
    error: error.message,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause instanceof Error ? { cause: error.cause.message } : {}),
  }
}
