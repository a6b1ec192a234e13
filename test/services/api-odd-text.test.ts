import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import engine from '../../services/api/catalogue/engine.json' with { type: 'json' }
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { ScriptedWorker, type HeldTurn } from './support/scripted-worker.ts'
import { drives } from './support/endpoints.ts'
import { newID } from './support/worker.ts'

const tenant = 'odd'
const odd = {
  'a high surrogate alone': '\ud83d',
  'a low surrogate before text': '\ude00text',
  'U+0000': 'a\0b',
  'text from right to left': '\u202eevil\u202c',
  'a noncharacter': '\uffff\ufffe',
  'a word of 1 MB': 'w'.repeat(1_000_000),
}
const part = { type: 'text', text: 'T', synthetic: false, metadata: { k: 'T' } }
const file = {
  type: 'file',
  mime: 'T',
  filename: 'T',
  url: 'T',
  source: { type: 'file', path: 'T', text: { value: 'T', start: 0, end: 1 } },
}
const prompt = {
  messageID: 'T',
  parts: [{ id: 'T', ...part }, file, { type: 'agent', name: 'T' }],
  agent: 'T',
  system: 'T',
  variant: 'T',
  model: { providerID: 'T', modelID: 'T' },
  tools: { T: true },
}
const session = {
  parentID: 'T',
  title: 'T',
  agent: 'T',
  model: { id: 'T', providerID: 'T', variant: 'T' },
  metadata: { T: 'T', deep: [{ k: 'T' }] },
  permission: [{ permission: 'T', pattern: 'T', action: 'allow' }],
}
/** Bodies by endpoint; each `T` in one is a place for text. Endpoints that are not here get {@link anything}. */
const bodies: Record<string, unknown> = {
  'POST /session': session,
  'PATCH /session/{sessionID}': session,
  'POST /session/{sessionID}/message': prompt,
  'POST /session/{sessionID}/prompt_async': prompt,
  'POST /session/{sessionID}/command': { ...prompt, command: 'T', arguments: 'T', model: 'T' },
  'POST /session/{sessionID}/shell': { messageID: 'T', command: 'T', agent: 'T' },
  'PATCH /session/{sessionID}/message/{messageID}/part/{partID}': { id: 'T', ...part },
  'POST /permission/{requestID}/reply': { reply: 'once', message: 'T' },
  'POST /question/{requestID}/reply': { answers: [['T']] },
}
const anything = { messageID: 'T', providerID: 'T', modelID: 'T', other: { T: ['T'] } }
const parameters = [
  'directory',
  'search',
  'query',
  'path',
  'pattern',
  'before',
  'messageID',
  'mode',
]

const agent = new Agent({ connections: 16 })
let stores: Stores
let api: TestApi
let client: Client
let credentials: string
let sessions: string[]
let stop = false
let working: Promise<void>
/** What went wrong in the worker's part, and in the reads while it had a turn. */
const faults: string[] = []

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores, { tenantConcurrentTurns: 10_000 })
  credentials = await token(tenant)
  client = new Client(api.url, credentials)
  sessions = []
  for (let made = 0; made < 24; made++)
    sessions.push((await client.call<{ id: string }>('POST', '/session', {})).id)
  working = work()
})

afterAll(async () => {
  stop = true
  await working
  await agent.destroy()
  await api.stop()
  await stores.stop()
})

/** Runs every turn of the tenant: logs the request's words as the engine would, and answers with them. */
async function work(): Promise<void> {
  const worker = new ScriptedWorker(api.url, stores)
  while (!stop) {
    const rows = await stores.postgres.primary.query<{
      id: string
      session_id: string
      request: { body?: unknown; path: string }
    }>(`SELECT id, session_id, request FROM turns WHERE status = 'queued'`)
    await Promise.all(
      rows.map(async ({ id, session_id: of, request: asked }) => {
        const turn = await worker.claimTurn(id, of)
        const { status } = await client.send('GET', '/session/status')
        if (status !== 200) faults.push(`${status.toString()} while ${asked.path} runs`)
        await echo(worker, turn, asked)
      }),
    ).catch((error: unknown) => faults.push(String(error)))
    await new Promise((done) => setTimeout(done, 10))
  }
}

async function echo(
  worker: ScriptedWorker,
  turn: HeldTurn,
  { path, body }: { path: string; body?: unknown },
): Promise<void> {
  const text = words(body)
  const events = worker.message(turn.sessionID, (await worker.head(turn.sessionID)) + 1, text)
  const asked = {
    id: newID('evt'),
    type: 'permission.asked',
    properties: { id: newID('evt'), sessionID: turn.sessionID, text },
  }
  const todos = { id: newID('evt'), type: 'todo.updated', properties: { todos: [{ text }] } }
  const begun = path.endsWith('/fork')
    ? [(await worker.beginFork(turn, { title: text })).response]
    : []
  for (const response of [
    ...begun,
    await worker.append(turn, events, [asked, todos]),
    await worker.complete(turn, { text }),
  ])
    if (!response.ok) faults.push(`the worker: ${response.status.toString()}`)
}

function words(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return ''
  return Object.entries(value)
    .map(([key, inner]) => key + words(inner))
    .join(' ')
}

/** What everybody's client asks for all the time. */
async function reads(when: string): Promise<void> {
  for (const path of ['/session/status', '/session?limit=5', '/permission', '/question']) {
    const { status } = await client.send('GET', path)
    if (status !== 200) faults.push(`${status.toString()} for ${path} ${when}`)
  }
}

/** The same body with `text` at one place after the other; every other place is left out. */
function* filled(template: unknown, text: string): Generator<unknown> {
  if (template === 'T') yield text
  if (typeof template !== 'object' || template === null) return
  const keep = Object.entries(template).filter(
    ([, value]) => !JSON.stringify(value).includes('"T"'),
  )
  for (const [key, value] of Object.entries(template)) {
    if (key === 'T') yield entries(template, [...keep, [text, value === 'T' ? 'x' : value]])
    const kept = ['command', 'arguments', 'agent', 'parts'].includes(key) ? [] : required(template)
    for (const inner of filled(value, text))
      yield entries(template, [...kept, ...keep, [key, inner]])
  }
}

/** Fields without which a body is refused before its text matters. */
function required(template: object): [string, unknown][] {
  if ('arguments' in template)
    return [
      ['command', 'x'],
      ['arguments', 'x'],
    ]
  if ('command' in template)
    return [
      ['command', 'x'],
      ['agent', 'x'],
    ]
  if ('parts' in template) return [['parts', []]]
  return []
}

function entries(like: object, list: [string, unknown][]): unknown {
  return Array.isArray(like) ? list.map(([, value]) => value) : Object.fromEntries(list)
}

const inURL = (text: string) => encodeURIComponent(Buffer.from(text.slice(0, 4_000)).toString())

interface Shot {
  method: string
  path: string
  body?: unknown
  headers?: Record<string, string>
}

/** One endpoint with the text in each place where it can stand. */
function* shots(endpoint: string, text: string): Generator<Shot> {
  const [method = '', template = ''] = endpoint.split(' ')
  const id = sessions[Math.floor(Math.random() * sessions.length)] ?? ''
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
  const good = (name: string) =>
    name === 'sessionID' ? id : `${name === 'partID' ? 'prt' : 'msg'}_00000000000100000000000000`
  const pathWith = (odd?: string) =>
    template.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      name === odd ? inURL(text) : good(name),
    )
  for (const name of names) yield { method, path: pathWith(name) }
  // What is not served answers before it looks at anything.
  if (!(endpoint in drives)) return
  if (method === 'GET') {
    for (const name of parameters) yield { method, path: `${pathWith()}?${name}=${inURL(text)}` }
    yield { method, path: `${pathWith()}?${inURL(text)}=x&search=%ED%A0%BD%00` }
    yield { method, path: pathWith(), headers: { 'x-opencode-directory': inURL(text) } }
    return
  }
  // What is not served answers at once, and closes on a body that is still on its way.
  const word = endpoint in drives ? text : text.slice(0, 4_000)
  for (const body of filled(bodies[endpoint] ?? anything, word))
    yield { method, path: pathWith(), body }
}

async function fire({ method, path, body, headers = {} }: Shot): Promise<string> {
  const { statusCode, body: answer } = await request(api.url + path, {
    method: method as 'GET',
    dispatcher: agent,
    headers: { authorization: `Bearer ${credentials}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headersTimeout: 60_000,
  })
  const said = await answer.text()
  const bad = statusCode >= 500 && statusCode !== 501
  return bad
    ? `${statusCode.toString()} for ${method} ${path.slice(0, 120)} ${said.slice(0, 200)}`
    : ''
}

describe('GIVEN text that not every program takes', () => {
  const endpoints = engine.endpoints.filter(
    (name) => !/(\/event$|^DELETE \/session\/\{\w+\}$)/.test(name),
  )

  test.each(Object.entries(odd))(
    'WHEN every endpoint gets %s in every place THEN no fault of the service, and everybody reads on',
    async (_, text) => {
      let sent = 0
      for (const endpoint of endpoints) {
        const all = [...shots(endpoint, text)]
        sent += all.length
        const bad = (await Promise.all(all.map(fire))).filter(Boolean)
        expect(bad).toEqual([])
      }
      expect(sent).toBeGreaterThan(300)
      await reads('afterwards')
      for (const id of sessions)
        for (const path of ['', '/message', '/todo', '/children', '/diff'])
          expect((await client.send('GET', `/session/${id}${path}`)).status).toBe(200)
      expect(faults).toEqual([])
      expect(api.logs()).not.toMatch(/"level":"(error|fatal)"/)
    },
    300_000,
  )

  test('WHEN a prompt with it is kept THEN its words come back as they were, where JSON can carry them', async () => {
    const text = 'a\0b \ud83d \u202ec'
    const { id } = await client.call<{ id: string }>('POST', '/session', { title: text })
    await client.call('POST', `/session/${id}/message`, { parts: [{ type: 'text', text }] })
    const [message] = await client.call<{ parts: { text: string }[] }[]>(
      'GET',
      `/session/${id}/message`,
    )
    expect(message?.parts[0]?.text).toContain(text)
    expect(await client.call('GET', `/session/${id}`)).toMatchObject({ title: text })
  })
})

test('PostgreSQL never takes apart JSON that holds the words of clients and engines', () => {
  const root = join(import.meta.dirname, '../../services')
  const asked = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (path) =>
      path.endsWith('.ts') &&
      !path.includes('stable-functions') &&
      /->>?\s*'|\bjsonb|json_(each|array_elements|extract|to_record|populate)/.test(
        readFileSync(join(root, path), 'utf8').replaceAll(/^\s*--.*$/gm, ''),
      ),
  )
  expect(asked).toEqual([])
})
