import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { connectRedis, PubSub } from '../../services/runtime/redis.ts'
import { ApiClient } from '../../services/websocket/api-client.ts'
import { EventLog } from '../../services/websocket/event-log.ts'
import { Feeds } from '../../services/websocket/feed.ts'
import { WebSocketService } from '../../services/websocket/server.ts'
import { token, type Client, type EventReader } from './support/api.ts'
import { EngineTap } from './support/engine-tap.ts'
import { Reducer, type ReducedEvent } from './support/reducer.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

let tap: EngineTap
let system: System
let client: Client
let sse: EventReader
let socketURL: string
const received: { seq: number | null; event: ReducedEvent & { id: string } }[] = []
let stop: () => Promise<void>

beforeAll(async () => {
  tap = new EngineTap()
  system = await startSystem({}, { tap })
  client = await system.client()
  await startSocket()
  sse = await client.events()
  await until(() => sse.frames.length > 0 && received.length > 0, 30_000, 'both streams')
})

afterAll(async () => {
  sse.close()
  await stop()
  await system.stop()
  tap.close()
})

/** A WebSocket service beside the API, and a client of it. */
async function startSocket(): Promise<void> {
  const { services } = system.api
  const redis = [
    connectRedis(system.stores.redis.url),
    connectRedis(system.stores.redis.url),
  ] as const
  const log = new EventLog(services.database)
  const feeds = new Feeds(log, new PubSub(...redis), services.logger)
  const api = new ApiClient(system.api.url)
  const service = new WebSocketService({
    people: services.people,
    refusals: services.refusals,
    log,
    feeds,
    api,
    metrics: services.metrics,
    logger: services.logger,
    region: 'test',
    ready: () => Promise.resolve({}),
  })
  socketURL = `ws://127.0.0.1:${(await service.listen(0)).toString()}/ws`
  const headers = { authorization: `Bearer ${await token('acme')}` }
  const socket = new WebSocket(socketURL, { headers })
  socket.on('message', (data) =>
    received.push(JSON.parse((data as Buffer).toString()) as (typeof received)[number]),
  )
  stop = async () => {
    socket.terminate()
    await service.drain(0)
    await feeds.close()
    await api.close()
    for (const connection of redis) connection.disconnect()
  }
}

/** What the engine itself said of a session's family, in the form of clients: type and id. */
function said(sessions: ReadonlySet<string>, from: number): string[] {
  return tap.frames.slice(from).flatMap(({ payload: { type, id, properties, syncEvent } }) => {
    if (syncEvent !== undefined)
      return sessions.has(syncEvent.aggregateID)
        ? [`${syncEvent.type.replace(/\.\d+$/, '')} ${syncEvent.id}`]
        : []
    const isDurable = /^(session\.(created|updated|deleted)|message\.(part\.)?(updated|removed))$/
    const isOfSession = sessions.has(String(properties?.['sessionID']))
    return isOfSession && !isDurable.test(type) ? [`${type} ${String(id)}`] : []
  })
}

const say = (text: string) => ({ parts: [{ type: 'text', text }] })
const escaped = (input: object) =>
  JSON.stringify(input).replaceAll('[', '\\u005b').replaceAll(']', '\\u005d')
const subtask = {
  description: 'A task',
  prompt: 'do it [[say done by the child, in a text of more than one piece]]',
  subagent_type: 'general',
}

describe('GIVEN a turn of the real engine', () => {
  test.each([
    ['a text of several pieces', say('hello [[say one two three four five six seven eight]]')],
    ['a tool', say('[[tool bash {"command":"echo one; sleep 0.3; echo two","description":"x"}]]')],
    ['a subtask', say(`[[tool task ${escaped(subtask)}]]`)],
    ['a model that refuses', say('no [[fail 400]]')],
    ['a model that breaks off', say('half [[truncate]] [[say one two three four five six seven]]')],
  ])(
    'WHEN it has %s THEN both streams carry what the engine said, in its order',
    async (_, body) => {
      const { id } = await client.call<{ id: string }>('POST', '/session', {})
      const from = tap.frames.length
      const [sent, heard] = [sse.frames.length, received.length]
      const answer = await client.send('POST', `/session/${id}/message`, body)
      expect(answer.status, await answer.text()).toBe(200)
      await until(() => idle(id, sent), 60_000, 'session.idle')
      const children = await client.call<{ id: string }[]>('GET', `/session/${id}/children`)
      const family = new Set([id, ...children.map((child) => child.id)])
      const expected = said(family, from)
      expect(expected.filter((one) => one.startsWith('message.')).length).toBeGreaterThan(2)
      const known = new Set(expected)
      const [streamed, socketed] = [
        () => sse.frames.slice(sent).map(({ data }) => `${data.type} ${String(data['id'])}`),
        () => received.slice(heard).map(({ event }) => `${event.type} ${event.id}`),
      ].map((list) => () => list().filter((one) => known.has(one)))
      expect(streamed?.()).toEqual(expected)
      await until(() => (socketed?.().length ?? 0) >= expected.length, 30_000, 'the WebSocket')
      expect(socketed?.()).toEqual(expected)
      await sameState(family, sent, heard)
    },
  )
})

function idle(id: string, from: number): boolean {
  return sse.frames
    .slice(from)
    .some(({ data }) => data.type === 'session.idle' && data.properties['sessionID'] === id)
}

/** What clients have put together is what GET answers. */
async function sameState(family: ReadonlySet<string>, sent: number, heard: number): Promise<void> {
  const [streamed, socketed] = [new Reducer(), new Reducer()]
  for (const { data } of sse.frames.slice(sent)) streamed.take(data)
  for (const { event } of received.slice(heard)) if (event.id) socketed.take(event)
  for (const member of family) {
    const stored = await client.call<unknown[]>('GET', `/session/${member}/message`)
    expect(streamed.messages(member)).toEqual(stored)
    expect(socketed.messages(member)).toEqual(stored)
  }
}
