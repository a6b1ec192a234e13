import { createHash } from 'node:crypto'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { ApiClient } from '../../services/websocket/api-client.ts'
import { EventLog } from '../../services/websocket/event-log.ts'
import { Feeds } from '../../services/websocket/feed.ts'
import { WebSocketService } from '../../services/websocket/server.ts'
import { connectRedis, PubSub } from '../../services/runtime/redis.ts'
import { admin, runAdmin } from './support/admin.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'
import { until } from './support/until.ts'

let stores: Stores
let api: TestApi
let address = 0

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores)
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

/** The page of this service sends it, in a browser. */
const own = { 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' }

/** fetch sets headers of its own that a browser's are tested with. */
async function send(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
) {
  const response = await request(api.url + path, {
    method,
    // Each from an address of its own: refusals are counted by address.
    headers: { 'x-forwarded-for': `192.0.2.${(address++).toString()}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.body.text()
  return { status: response.statusCode, headers: response.headers, text }
}

function linkFor(user: string, ...more: string[]): string {
  const { link } = admin<{ link: string }>(
    stores,
    ...['sign-in-link', '--tenant', 'acme', '--user', user, '--url', api.url, ...more],
  )
  return new URL(link).hash.slice(1)
}

const useLink = (link: string, headers: Record<string, string> = {}) =>
  send('POST', '/sign-in', { ...own, ...headers }, { link })

/** Signs in. @returns the `Cookie` header */
async function signIn(user: string, before?: string): Promise<string> {
  const answer = await useLink(linkFor(user), before === undefined ? {} : { cookie: before })
  expect(answer.status, answer.text).toBe(204)
  return String(answer.headers['set-cookie']).split(';')[0] ?? ''
}

const audited = async (action: string) =>
  stores.postgres.primary.query<{
    outcome: string
    actor: string
    address: string
    object: string
  }>('SELECT outcome, actor, address, object FROM audit WHERE action = $1 ORDER BY id', [action])

describe('a sign-in link', () => {
  test('is in no address that a server sees, and opening it uses nothing up', async () => {
    const { link } = admin<{ link: string }>(
      stores,
      ...['sign-in-link', '--tenant', 'acme', '--user', 'preview', '--url', api.url],
    )
    const { origin, pathname, search, hash } = new URL(link)
    expect([origin, pathname, search]).toEqual([api.url, '/sign-in', ''])
    const page = await send('GET', pathname)
    expect(page.status).toBe(200)
    expect(page.headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    })
    const [, script = ''] = /<script>([^]*)<\/script>/.exec(page.text) ?? []
    const digest = createHash('sha256').update(script).digest('base64')
    expect(page.headers['content-security-policy']).toContain(`script-src 'sha256-${digest}'`)
    expect((await useLink(hash.slice(1))).status).toBe(204)
  })

  test('lets in once, with a cookie that scripts and other sites cannot use', async () => {
    const link = linkFor('ann')
    const answer = await useLink(link)
    expect(answer.status).toBe(204)
    expect(answer.headers['set-cookie']).toMatch(
      /^opencode=ocb_[\w-]{43}; Path=\/; Max-Age=86400; HttpOnly; SameSite=Lax$/,
    )
    const again = await useLink(link)
    expect(again.status).toBe(401)
    expect(again.text).toContain('ask for a new one')
    expect(again.headers['set-cookie']).toBeUndefined()
  })

  test('of two that use it at once, one gets in', async () => {
    const link = linkFor('ann')
    const answers = await Promise.all(Array.from({ length: 8 }, () => useLink(link)))
    expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(7).fill(401)])
  })

  test('is Secure for every host but this machine', async () => {
    for (const host of ['opencode.example.com', 'localhost.example.com', '127.0.0.1.example.com']) {
      const answer = await useLink(linkFor('ann'), { host })
      expect(answer.headers['set-cookie']).toMatch(/^__Host-opencode=.*; SameSite=Lax; Secure$/)
    }
  })

  test('is no good after ten minutes, and none is made for somebody who is disabled', async () => {
    const link = linkFor('late')
    await stores.postgres.primary.query(
      "UPDATE sign_in_links SET expires_at = now() WHERE user_id = 'late'",
    )
    expect((await useLink(link)).status).toBe(401)
    const unused = linkFor('late')
    admin(stores, 'users', 'disable', '--tenant', 'acme', '--user', 'late')
    expect((await useLink(unused)).status).toBe(401)
    const { status, stderr } = runAdmin(stores, [
      'sign-in-link',
      '--tenant',
      'acme',
      '--user',
      'late',
    ])
    expect(status).toBe(1)
    expect(stderr).toContain('admin users enable --tenant acme --user late')
  })

  test.each<[string, Record<string, string>]>([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another host of the domain', { 'sec-fetch-site': 'same-site' }],
    ['an old browser on another site', { 'sec-fetch-site': '', origin: 'https://evil.example' }],
    ['a form', { 'content-type': 'text/plain' }],
  ])('%s cannot sign a person in', async (_, headers) => {
    const link = linkFor('ann')
    const all = Object.entries({ ...own, ...headers }).filter(([, value]) => value !== '')
    const answer = await send('POST', '/sign-in', Object.fromEntries(all), { link })
    expect([403, 415]).toContain(answer.status)
    expect((await useLink(link)).status, 'the link is still good').toBe(204)
  })

  test('is written down, and so is what was refused', async () => {
    await signIn('noted')
    await useLink('ocl_' + 'x'.repeat(43), { 'x-forwarded-for': '9.9.9.9, 198.51.100.7' })
    const entries = await audited('sign-in')
    expect(entries).toContainEqual(expect.objectContaining({ outcome: 'done', actor: 'noted' }))
    expect(entries).toContainEqual(
      expect.objectContaining({ outcome: 'refused', address: '198.51.100.7', object: 'link' }),
    )
    for (const statement of ['DELETE FROM audit', "UPDATE audit SET actor = 'x'", 'TRUNCATE audit'])
      await expect(stores.postgres.primary.query(statement)).rejects.toThrow('append-only')
  })
})

describe("a browser's session", () => {
  test('opens the API as its person; a new sign-in ends the one before', async () => {
    const cookie = await signIn('ann')
    const made = await send('POST', '/session', { ...own, cookie }, { title: 'mine' })
    expect(made.status, made.text).toBe(200)
    const { id } = JSON.parse(made.text) as { id: string }
    const [row] = await stores.postgres.primary.query<{ user_id: string; tenant: string }>(
      'SELECT user_id, tenant FROM sessions WHERE id = $1',
      [id],
    )
    expect(row).toEqual({ user_id: 'ann', tenant: 'acme' })
    const next = await signIn('ann', cookie)
    expect(next).not.toBe(cookie)
    expect((await send('GET', '/session', { cookie })).status).toBe(401)
    expect((await send('GET', '/session', { cookie: next })).status).toBe(200)
  })

  test.each<[string, 'GET' | 'POST' | 'DELETE', Record<string, string>, number]>([
    ['a form of another site', 'POST', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a page of another host of the domain', 'POST', { 'sec-fetch-site': 'same-site' }, 403],
    ['an old browser elsewhere', 'POST', { origin: 'https://evil.example' }, 403],
    ['a page that hides where it is from', 'POST', { origin: 'null' }, 403],
    ['who says nothing', 'POST', {}, 403],
    ['who says nothing and deletes', 'DELETE', {}, 403],
    ['a picture on another site', 'GET', { 'sec-fetch-site': 'cross-site' }, 403],
    [
      'a link on another site',
      'GET',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
      200,
    ],
    ['a form that is no JSON', 'POST', { ...own, 'content-type': 'text/plain' }, 415],
    ['the own page of an old browser', 'POST', { origin: 'http://SELF' }, 200],
    ['a name with ours in it', 'POST', { origin: 'http://SELF.evil.example' }, 403],
  ])('%s (%s) gets what it should', async (_, method, headers, status) => {
    const cookie = await signIn('ann')
    const { host } = new URL(api.url)
    const all = Object.entries({ 'content-type': 'application/json', ...headers, cookie })
    const answer = await send(
      method,
      method === 'DELETE' ? '/session/ses_000000000000AAAAAAAAAAAAAA' : '/session',
      Object.fromEntries(all.map(([name, value]) => [name, value.replace('SELF', host)])),
      method === 'POST' ? {} : undefined,
    )
    expect(answer.status, answer.text).toBe(status)
  })

  test('ends when it is not used, and at the end of its life', async () => {
    const short = await startTestApi(stores, { signInIdleSeconds: 2, signInSeconds: 3_600 })
    try {
      const cookie = await signIn('idle')
      const used = () =>
        request(`${short.url}/session`, { headers: { cookie } }).then(
          async ({ statusCode, body }) => {
            await body.dump()
            return statusCode
          },
        )
      expect(await used()).toBe(200)
      await stores.postgres.primary.query(
        "UPDATE browser_sessions SET used_at = now() - interval '3 s' WHERE user_id = 'idle'",
      )
      await until(async () => (await used()) === 401, 5_000, 'it has ended')
    } finally {
      await short.stop()
    }
    const cookie = await signIn('old')
    await stores.postgres.primary.query(
      "UPDATE browser_sessions SET expires_at = now() WHERE user_id = 'old'",
    )
    expect((await send('GET', '/session', { cookie })).status).toBe(401)
  })

  test('signing out ends it, its open stream, and takes the cookie away', async () => {
    const cookie = await signIn('leaver')
    const stream = await fetch(`${api.url}/event`, { headers: { cookie } })
    expect(stream.status).toBe(200)
    const ended = stream.text()
    const answer = await send('POST', '/sign-out', { ...own, cookie }, {})
    expect(answer.status).toBe(204)
    expect(answer.headers['set-cookie']).toContain('opencode=; Path=/; Max-Age=0')
    expect(await ended).toContain('server.connected')
    expect((await send('GET', '/session', { cookie })).status).toBe(401)
    expect(await audited('sign-out')).toContainEqual(expect.objectContaining({ actor: 'leaver' }))
  })

  test('a browser is asked for no password by a call of the page', async () => {
    const call = await send('GET', '/session', own)
    expect(call.status).toBe(401)
    expect(call.headers['www-authenticate']).toBeUndefined()
    expect((await send('GET', '/session')).headers['www-authenticate']).toContain('Basic')
  })
})

describe('a personal access token', () => {
  const create = (user: string, ...more: string[]) => {
    admin(stores, 'users', 'add', '--tenant', 'acme', '--user', user)
    return admin<{ id: string; secret: string }>(
      stores,
      ...['token', 'create', '--tenant', 'acme', '--user', user, '--name', 'ci', ...more],
    )
  }

  test('opens the API as bearer and as the password of basic authentication', async () => {
    const { secret } = create('bob')
    const basic = Buffer.from(`opencode:${secret}`).toString('base64')
    for (const authorization of [`Bearer ${secret}`, `Basic ${basic}`])
      expect((await send('GET', '/session', { authorization })).status).toBe(200)
    const rows = await stores.postgres.primary.query<{ row: string }>(
      'SELECT t::text AS row FROM access_tokens t',
    )
    expect(rows.map(({ row }) => row).join()).not.toContain(secret)
  })

  test('does what its scopes say', async () => {
    const reader = create('bob', '--scopes', 'read')
    const writer = create('bob', '--scopes', 'read,write')
    const post = (secret: string, path: string) =>
      send(
        'POST',
        path,
        { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        {},
      )
    const refused = await post(reader.secret, '/session')
    expect(refused.status).toBe(403)
    expect(refused.text).toContain('\\"write\\"')
    const made = await post(writer.secret, '/session')
    expect(made.status).toBe(200)
    const { id } = JSON.parse(made.text) as { id: string }
    const shell = await post(writer.secret, `/session/${id}/shell`)
    expect(shell.status).toBe(403)
    expect(shell.text).toContain('\\"shell\\"')
  })

  test('ends: it says so, and how to get another', async () => {
    const { id, secret } = create('carl')
    const authorization = `Bearer ${secret}`
    expect((await send('GET', '/session', { authorization })).status).toBe(200)
    const stream = await new Client(api.url, secret).events()
    admin(stores, 'token', 'revoke', id)
    await until(() => stream.closed, 15_000, 'its stream has ended')
    const answer = await send('GET', '/session', { authorization })
    expect(answer.status).toBe(401)
    expect(answer.text).toContain('was revoked; get a new one')
    expect(runAdmin(stores, ['token', 'revoke', 'nothing']).stderr).toContain('admin token list')
  })

  test('of a person who is disabled or a tenant that is suspended is no good, and neither is a JWT', async () => {
    const { secret } = create('dora')
    const jwt = await token('acme', { user: 'dora' })
    const status = async (bearer: string) =>
      (await send('GET', '/session', { authorization: `Bearer ${bearer}` })).status
    expect([await status(secret), await status(jwt)]).toEqual([200, 200])
    const stream = await new Client(api.url, jwt).events()
    admin(stores, 'users', 'disable', '--tenant', 'acme', '--user', 'dora')
    await until(() => stream.closed, 15_000, 'the stream has ended')
    expect([await status(secret), await status(jwt)]).toEqual([401, 401])
    admin(stores, 'users', 'enable', '--tenant', 'acme', '--user', 'dora')
    await until(async () => (await status(jwt)) === 200, 15_000, 'it is good again')
    admin(stores, 'tenants', 'create', 'closed')
    admin(stores, 'tenants', 'suspend', 'closed')
    const theirs = await token('closed')
    await until(async () => (await status(theirs)) === 401, 15_000, 'the tenant is out')
  })

  test('that nobody has is refused and written down, ten times a minute and address', async () => {
    const { secret } = create('emil')
    const from = { 'x-forwarded-for': '203.0.113.9' }
    const use = async (bearer: string) =>
      (await send('GET', '/session', { ...from, authorization: `Bearer ${bearer}` })).status
    for (let count = 0; count < 12; count++) expect(await use('oct_' + 'x'.repeat(43))).toBe(401)
    const written = (await audited('sign-in')).filter(({ address }) => address === '203.0.113.9')
    expect(written).toHaveLength(10)
    expect(written[0]).toMatchObject({ outcome: 'refused', object: 'token' })
    expect((await useLink('ocl_' + 'x'.repeat(43), from)).status).toBe(429)
    expect(await use(secret), 'a good one goes on').toBe(200)
    expect((await useLink(linkFor('emil'), from)).status, 'and a good link').toBe(204)
  })
})

describe('a WebSocket', () => {
  let service: WebSocketService
  let feeds: Feeds
  let calls: ApiClient
  let url: string
  const redis = () => connectRedis(stores.redis.url)
  let clients: ReturnType<typeof connectRedis>[]

  beforeAll(async () => {
    const { database, logger, metrics, people, refusals } = api.services
    const log = new EventLog(database)
    clients = [redis(), redis()]
    const [publisher, subscriber] = clients as [(typeof clients)[0], (typeof clients)[0]]
    feeds = new Feeds(log, new PubSub(publisher, subscriber), logger)
    calls = new ApiClient(api.url)
    service = new WebSocketService({
      ...{ people, refusals, log, feeds, api: calls, metrics, logger, region: 'test' },
      ready: () => Promise.resolve({}),
    })
    url = `ws://127.0.0.1:${(await service.listen(0)).toString()}/ws`
  })

  afterAll(async () => {
    await service.drain(0)
    await feeds.close()
    await calls.close()
    for (const client of clients) client.disconnect()
  })

  const open = (headers: Record<string, string>) => {
    const socket = new WebSocket(url, { headers })
    const messages: string[] = []
    socket.on('message', (data) => messages.push((data as Buffer).toString()))
    const end = new Promise<number>((resolve) => {
      socket.once('unexpected-response', (_, response) => {
        resolve(response.statusCode ?? 0)
      })
      socket.once('close', resolve)
      socket.on('error', () => undefined)
    })
    return { socket, messages, end }
  }

  test('with a cookie opens from the own page alone', async () => {
    const cookie = await signIn('ann')
    const { host } = new URL(url)
    for (const headers of [
      {},
      { origin: 'https://evil.example' },
      { origin: `http://${host}`, 'sec-fetch-site': 'same-site' },
    ] as Record<string, string>[])
      expect(await open({ cookie, ...headers }).end).toBe(403)
    const { socket, messages } = open({ cookie, origin: `http://${host}` })
    await until(() => messages.length > 0)
    socket.send(JSON.stringify({ id: '1', method: 'POST', path: '/session', body: {} }))
    const reply = () => messages.find((message) => message.includes('"reply":"1"'))
    await until(() => reply() !== undefined)
    expect(JSON.parse(reply() ?? '')).toMatchObject({ status: 200 })
    socket.close()
  })

  test('takes a personal access token, and ends when it is revoked', async () => {
    admin(stores, 'users', 'add', '--tenant', 'acme', '--user', 'wsuser')
    const { id, secret } = admin<{ id: string; secret: string }>(
      stores,
      ...['token', 'create', '--tenant', 'acme', '--user', 'wsuser', '--name', 'ws'],
    )
    const { messages, end } = open({ authorization: `Bearer ${secret}` })
    await until(() => messages.length > 0)
    admin(stores, 'token', 'revoke', id)
    expect(await end).toBe(4401)
  })
})

describe('the administrator', () => {
  test('is told what is wrong and what to do', () => {
    for (const [args, words] of [
      [['nonsense'], 'admin --help'],
      [['token'], 'token create, token list, token revoke'],
      [['sign-in-link', '--tenant', 'acme'], '--user is missing'],
      [['sign-in-link', '--tenant', 'a b', '--user', 'x'], '"a b" is no tenant'],
      [
        ['sign-in-link', '--tenant', 'acme', '--user', 'x', '--url', 'nowhere'],
        '--url is "nowhere"',
      ],
      [
        ['token', 'create', '--tenant', 'acme', '--user', 'ghost', '--name', 'x'],
        'admin users add',
      ],
      [['users', 'list', '--output', 'xml'], 'text or json'],
      [['tenants', 'suspend', 'ghost'], 'admin tenants list'],
      [['tenants', 'configure', 'acme', '--config', '[]'], 'no JSON object'],
      [['usage', '--days', '-1'], 'days'],
    ] as [string[], string][]) {
      const { status, stderr, stdout } = runAdmin(stores, args)
      expect(status, args.join(' ')).toBe(1)
      expect(stdout).toBe('')
      expect(stderr).toContain(words)
      expect(stderr).not.toContain('    at ')
    }
  })

  test('sees tenants, people, sessions, usage and the audit, for people and for programs', async () => {
    await new Client(api.url, await token('listed', { user: 'lea' })).call('POST', '/session', {})
    admin(stores, 'users', 'add', '--tenant', 'listed', '--user', 'lea', '--role', 'admin')
    admin(stores, 'tenants', 'configure', 'listed', '--config', '{"permission":"ask"}')
    expect(admin(stores, 'sessions', 'list', '--tenant', 'listed')).toMatchObject([{ user: 'lea' }])
    expect(admin(stores, 'users', 'list', '--tenant', 'listed')).toMatchObject([{ role: 'admin' }])
    expect(admin(stores, 'usage', '--tenant', 'listed')).toEqual([])
    expect(
      admin<{ action: string }[]>(stores, 'audit', '--tenant', 'listed').map(
        ({ action }) => action,
      ),
    ).toEqual(['tenant-configure', 'user-add'])
    expect(runAdmin(stores, ['tenants', 'list']).stdout).toMatch(/^id +created_at +suspended_at\n/)
    expect(runAdmin(stores, ['--help']).stdout).toContain('admin token revoke ID')
    const ended = admin(stores, 'sign-out', '--tenant', 'listed', '--user', 'lea', '--tokens')
    expect(ended).toMatchObject({ browsers: 0, tokens: 0 })
  })
})
