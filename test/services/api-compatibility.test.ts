import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readEngine } from '../../services/api/catalogue/read.ts'
import engine from '../../services/api/catalogue/engine.json' with { type: 'json' }
import { Client, token } from './support/api.ts'
import { compatibilityTable, type Row } from './support/compatibility.ts'
import { drives, type Call, type Fixture, type World } from './support/endpoints.ts'
import { startSystem, type System } from './support/system.ts'
import { until } from './support/until.ts'

interface Message {
  info: { id: string; role: string }
  parts: ({ id: string; type: string } & Record<string, unknown>)[]
}

const root = resolve(import.meta.dirname, '../..')
const binary = join(root, 'node_modules/opencode-linux-x64/bin/opencode')
const rows: Row[] = []
let system: System
let world: World
let read: Awaited<ReturnType<typeof readEngine>>
let ajv: Ajv2020

beforeAll(async () => {
  read = await readEngine(binary)
  ajv = new Ajv2020({ strict: false, validateFormats: false, schemas: { doc: read.document } })
  system = await startSystem()
  world = await createWorld(new Client(system.api.url, await token('acme')))
})

afterAll(() => system.stop())

async function createWorld(client: Client): Promise<World> {
  const empty = () => client.call<{ id: string; directory: string }>('POST', '/session', {})
  const prompted = async (): Promise<Fixture> => {
    const { id, directory } = await empty()
    await client.call('POST', `/session/${id}/message`, {
      parts: [{ type: 'text', text: 'hello' }],
    })
    const [first] = await client.call<Message[]>('GET', `/session/${id}/message`)
    const part = first?.parts[0]
    if (first?.info.role !== 'user' || part === undefined)
      throw new Error(`the prompt is not in ${JSON.stringify(first)}`)
    return { id, directory, messageID: first.info.id, partID: part.id, part }
  }
  const asking: World['asking'] = async (kind, id) => {
    const session = id ?? (await empty()).id
    const input =
      kind === 'permission'
        ? { command: 'echo allowed', description: 'A test' }
        : {
            questions: [
              {
                question: 'Shall we?',
                header: 'A test',
                options: [
                  { label: 'Yes', description: 'Do' },
                  { label: 'No', description: 'Do not' },
                ],
              },
            ],
          }
    // For this turn only: an engine that is started for a configuration of its own cannot be the one that waits.
    await configure({ permission: { bash: 'ask', question: 'ask' } })
    await client.call('POST', `/session/${session}/prompt_async`, {
      parts: [
        {
          type: 'text',
          text: `[[tool ${kind === 'permission' ? 'bash' : 'question'} ${JSON.stringify(input)}]]`,
        },
      ],
    })
    const open = async () =>
      (await client.call<{ id: string; sessionID: string }[]>('GET', `/${kind}`)).find(
        ({ sessionID }) => sessionID === session,
      )
    await until(async () => (await open()) !== undefined, 180_000, `a ${kind} to be asked`)
    await configure(null)
    return { id: session, requestID: (await open())?.id ?? '' }
  }
  const kept = await prompted()
  await client.call('POST', `/session/${kept.id}/shell`, {
    agent: 'build',
    command: 'echo kept > note.txt',
  })
  return { client, kept, empty, prompted, asking }
}

/** The tenant's part of the engine's configuration, from the next turn on. */
async function configure(config: object | null): Promise<void> {
  await system.stores.postgres.primary.query(`UPDATE tenants SET config = $1 WHERE id = 'acme'`, [
    config === null ? null : JSON.stringify(config),
  ])
}

/** Method and path of a call, with placeholders for what it leaves open. */
function pathOf(template: string, { params = {}, query = {} }: Call): string {
  const path = template
    .replaceAll(
      /\{(\w+)\}/g,
      (_, name: string) => params[name] ?? `${name.toLowerCase()}_of_nothing`,
    )
    .replace('*', 'file')
  return Object.keys(query).length === 0 ? path : `${path}?${new URLSearchParams(query).toString()}`
}

/** What in an answer is not as the engine's own document describes it. */
function violations(method: string, template: string, status: number, body: unknown): string {
  const pointer = [
    'paths',
    template,
    method.toLowerCase(),
    'responses',
    status.toString(),
    'content',
    'application/json',
    'schema',
  ]
  const validate = ajv.getSchema(
    `doc#/${pointer.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`,
  )
  if (validate === undefined) return `the document has no schema for ${status.toString()}`
  return validate(body) === true ? '' : ajv.errorsText(validate.errors)
}

/** Sends an endpoint's call and judges the answer. */
async function drive(endpoint: string): Promise<Row> {
  const [method = '', template = ''] = endpoint.split(' ')
  const known = drives[endpoint]
  const call = (await known?.call(world)) ?? {}
  const abort = new AbortController()
  const response = await world.client.send(
    method,
    pathOf(template, call),
    call.body,
    {},
    abort.signal,
  )
  const type = response.headers.get('content-type') ?? ''
  if (known === undefined) return refused(endpoint, response.status, type, await response.json())
  expect(response.status).toBeLessThan(300)
  const row: Row = {
    endpoint,
    by: response.headers.get('x-opencode-served-by') === 'worker' ? 'worker' : 'API',
    remark: known.remark ?? '',
  }
  if (type === 'text/event-stream') abort.abort()
  else if (type.includes('json')) {
    const body: unknown = await response.json()
    expect(
      violations(method, template, response.status, body),
      JSON.stringify(body).slice(0, 2_000),
    ).toBe(known.deviation ?? '')
  }
  return row
}

/** Judges the answer of an endpoint that is not served. */
function refused(endpoint: string, status: number, type: string, body: unknown): Row {
  expect({ status, type, body }).toMatchObject({
    status: 501,
    type: 'application/problem+json',
    body: { type: 'not-served', status: 501 },
  })
  const [, remark = ''] = (body as { detail: string }).detail.split(' is not served here: ')
  expect(remark).not.toBe('')
  return { endpoint, by: 'refused', remark }
}

describe('GIVEN the pinned engine', () => {
  test('THEN what the API says of it is what it says of itself', () => {
    for (const [name, content] of Object.entries(read.catalogue)) {
      expect(
        JSON.parse(readFileSync(join(root, 'services/api/catalogue', name), 'utf8')),
        `${name}: run npm run compatibility`,
      ).toEqual(content)
    }
  })

  test('THEN every call of the table is one of its endpoints', () => {
    expect(Object.keys(drives).filter((endpoint) => !engine.endpoints.includes(endpoint))).toEqual(
      [],
    )
  })
})

const reads = engine.endpoints.filter((endpoint) => /^GET \/(file|find|vcs)/.test(endpoint))

describe('GIVEN a read of files, while a turn of the session waits for its user', () => {
  let requestID: string
  beforeAll(async () => {
    ;({ requestID } = await world.asking('permission', world.kept.id))
  })
  afterAll(() => world.client.call('POST', `/permission/${requestID}/reply`, { reply: 'reject' }))

  test.each(reads)('%s', async (endpoint) => {
    rows.push(await drive(endpoint))
  })
})

describe('GIVEN any other endpoint', () => {
  test.each(engine.endpoints.filter((endpoint) => !reads.includes(endpoint)))(
    '%s',
    async (endpoint) => {
      rows.push(await drive(endpoint))
    },
  )
})

test('docs/compatibility.md says what the endpoints did', () => {
  const file = join(root, 'docs/compatibility.md')
  const table = compatibilityTable(engine.version, rows)
  expect(rows).toHaveLength(engine.endpoints.length)
  if (process.env['UPDATE_COMPATIBILITY'] === '1') writeFileSync(file, table)
  expect(
    existsSync(file) ? readFileSync(file, 'utf8') : '',
    'run npm run compatibility and read the diff',
  ).toBe(table)
})
