import { parseLlmConfig } from '../../../services/runtime/llm-config.ts'
import { startCompatibleModel } from '../../../test/models/openai.ts'
import type { EventReader, Frame, Stores } from '../../../test/services/support/api.ts'
import { percentile, type Finding } from './finding.ts'
import { startService, type Service } from './service.ts'

const rounds = 20

const text = `[[tool bash ${JSON.stringify({ command: 'sleep 300', description: 'Waits' })}]]`

/** The state of a session's tool call, where an event tells of it. */
function toolState({ data }: Frame, sessionID: string): string | undefined {
  const part = data.properties['part'] as
    { sessionID?: string; type?: string; state?: { status: string } } | undefined
  return part?.sessionID === sessionID && part.type === 'tool' ? part.state?.status : undefined
}

/** Waits for the first event that says so; looks more often than any other test, as it measures. */
async function seen(
  events: EventReader,
  sessionID: string,
  wanted: (state: string) => boolean,
): Promise<void> {
  const deadline = Date.now() + 60_000
  const isThere = (frame: Frame) => {
    const state = toolState(frame, sessionID)
    return state !== undefined && wanted(state)
  }
  while (!events.frames.some(isThere)) {
    if (Date.now() > deadline)
      throw new Error(`waited 60 s in vain for the tool call of ${sessionID}`)
    await new Promise((done) => setTimeout(done, 2))
  }
}

/** Aborts one turn in the middle of a tool call. @returns ms until the client sees the tool call end, and until its prompt is answered */
async function abortOne({ client, ready }: Service): Promise<{ tool: number; turn: number }> {
  await ready()
  const events = await client.events()
  try {
    const { id } = await client.call<{ id: string }>('POST', '/session', {})
    const answer = client
      .send('POST', `/session/${id}/message`, { parts: [{ type: 'text', text }] })
      .then((response) => response.text())
    await seen(events, id, (state) => state === 'running')
    const aborted = performance.now()
    await client.call('POST', `/session/${id}/abort`)
    await seen(events, id, (state) => state === 'error' || state === 'completed')
    const tool = performance.now() - aborted
    await answer
    return { tool, turn: performance.now() - aborted }
  } finally {
    events.close()
  }
}

/** An abort through API, Redis and worker: how soon the running turn obeys. */
export async function benchAbort(stores: Stores): Promise<Finding[]> {
  const model = await startCompatibleModel()
  const llm = parseLlmConfig({
    providers: { scripted: { kind: 'openai', baseURL: model.url, models: { one: {} } } },
    model: 'scripted/one',
  })
  const service = await startService(stores, llm)
  try {
    const found: { tool: number; turn: number }[] = []
    for (let round = 0; round < rounds; round++) found.push(await abortOne(service))
    const detail = (key: 'tool' | 'turn') =>
      `${rounds.toString()} aborts of a running tool call, p50 ${percentile(
        found.map((one) => one[key]),
        50,
      ).toFixed(0)} ms`
    return [
      {
        what: 'abort to the end of the tool call, longest',
        measured: Math.max(...found.map(({ tool }) => tool)),
        limit: 1_000,
        unit: 'ms',
        decimals: 0,
        detail: detail('tool'),
      },
      {
        what: 'abort to the end of the turn, longest',
        measured: Math.max(...found.map(({ turn }) => turn)),
        unit: 'ms',
        decimals: 0,
        detail: detail('turn'),
      },
    ]
  } finally {
    await service.stop()
    await model.close()
  }
}
