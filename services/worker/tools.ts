import { SpanStatusCode, trace, type Context } from '@opentelemetry/api'
import { genAiAttributes } from '../runtime/gen-ai-attributes.ts'
import type { DurableEvent } from '../protocol/events.ts'

interface ToolPart {
  id: string
  type: string
  tool?: string
  callID?: string
  state?: { status?: string; time?: { start?: number; end?: number } }
}

/** The engine's own tools: names outside this list come from a tenant's configuration and share one metric label. */
const knownTools = new Set([
  'apply_patch',
  'bash',
  'batch',
  'codesearch',
  'edit',
  'glob',
  'grep',
  'list',
  'lsp',
  'multiedit',
  'patch',
  'plan_enter',
  'plan_exit',
  'question',
  'read',
  'skill',
  'task',
  'todoread',
  'todowrite',
  'webfetch',
  'websearch',
  'write',
])

/** Makes a span and a measurement of every finished tool call from the events that tell of it. */
export class ToolObserver {
  readonly #parent: Context
  readonly #observe: (tool: string, seconds: number) => void
  readonly #done = new Set<string>()

  /** @param parent - Trace context of the turn. */
  constructor(parent: Context, observe: (tool: string, seconds: number) => void) {
    this.#parent = parent
    this.#observe = observe
  }

  event({ type, data, aggregateID }: DurableEvent): void {
    if (type !== 'message.part.updated.1') return
    const { id, type: kind, tool = 'unknown', callID, state } = data['part'] as ToolPart
    const { start, end } = state?.time ?? {}
    if (kind !== 'tool' || start === undefined || end === undefined || this.#done.has(id)) return
    this.#done.add(id)
    const name = knownTools.has(tool) ? tool : 'other'
    this.#observe(name, Math.max(0, end - start) / 1000)
    // Names only: a tool's input and output are message contents.
    const attributes = {
      [genAiAttributes.operation]: 'execute_tool',
      [genAiAttributes.toolName]: tool,
      [genAiAttributes.conversation]: aggregateID,
      'session.id': aggregateID,
      ...(callID === undefined ? {} : { [genAiAttributes.toolCallID]: callID }),
    }
    const span = trace
      .getTracer('opencode-worker')
      .startSpan(`execute_tool ${name}`, { startTime: start, attributes }, this.#parent)
    if (state?.status === 'error') span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(end)
  }
}
