/**
 * The scripted models' language: directives in the prompt say how the model behaves. They are read by the test servers
 * in this folder only; no product code knows them.
 *
 * - `[[tool <name> <json>]]` asks for a tool; after its result the model answers with that result.
 * - `[[say <text>]]` answers with that text (default: "Scripted answer to: <prompt>").
 * - `[[slow <ms>]]` spreads the answer over that time.
 * - `[[silent <ms>]]` takes the call and sends nothing, not even a status, for that time (default: until the caller leaves).
 * - `[[reset]]` takes the call and drops its connection.
 * - `[[stall]]` sends the first piece and then nothing, until the caller leaves.
 * - `[[fail <status> <times>]]` answers the first calls of this prompt with an error status (default: always).
 * - `[[truncate]]` ends the stream in the middle, without its closing events.
 * - `[[disconnect]]` drops the connection in the middle.
 */
export interface Script {
  text: string
  tool?: { name: string; input: Record<string, unknown> }
  slowMilliseconds: number
  /** Time before the status line, ms; infinite for a model that never answers. */
  silentMilliseconds: number
  reset: boolean
  stall: boolean
  truncate: boolean
  disconnect: boolean
  fail?: { status: number; times: number }
}

/** What a server saw and counts, for assertions. */
export interface ModelLog {
  /** Bodies of the calls, in order. */
  calls: {
    path: string
    headers: Record<string, string | string[] | undefined>
    body: Record<string, unknown>
  }[]
  /** Calls whose caller left before the answer was over. */
  abandoned: number
}

/** @param prompt - The last thing the user said. @param toolResult - The last tool result, when that came after the prompt. */
export function readScript(prompt: string, toolResult: string | undefined): Script {
  const directives = new Map(
    [...prompt.matchAll(/\[\[(\w+)\s*([\s\S]*?)\]\]/g)].map(([, name = '', rest = '']) => [
      name,
      rest.trim(),
    ]),
  )
  const tool = /^(\S+)\s+([\s\S]+)$/.exec(directives.get('tool') ?? '')
  const fail = directives.get('fail')?.split(/\s+/).map(Number)
  const asks = tool !== null && toolResult === undefined
  return {
    text:
      toolResult === undefined
        ? (directives.get('say') ?? `Scripted answer to: ${prompt.slice(0, 500)}`)
        : `The tool said: ${toolResult}`,
    ...(asks
      ? {
          tool: {
            name: tool[1] ?? '',
            input: JSON.parse(tool[2] ?? '{}') as Record<string, unknown>,
          },
        }
      : {}),
    slowMilliseconds: Number(directives.get('slow') ?? 0),
    silentMilliseconds: directives.has('silent')
      ? Number(directives.get('silent') || Number.POSITIVE_INFINITY)
      : 0,
    reset: directives.has('reset'),
    stall: directives.has('stall'),
    truncate: directives.has('truncate'),
    disconnect: directives.has('disconnect'),
    ...(fail
      ? { fail: { status: fail[0] ?? 500, times: fail[1] ?? Number.POSITIVE_INFINITY } }
      : {}),
  }
}

/** The text of a message's content: a string, or the text (and tool result) parts of a list. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content
    .map((part: { text?: unknown; content?: unknown }) =>
      typeof part.text === 'string'
        ? part.text
        : part.content === undefined
          ? ''
          : contentText(part.content),
    )
    .join('\n')
}
