import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { webInterface } from '../../scripts/lib/build/web-interface.ts'
import { pagePolicy } from '../../services/api/web/policy.ts'
import {
  Client,
  startStores,
  startTestApi,
  token,
  type Stores,
  type TestApi,
} from './support/api.ts'

const root = resolve(import.meta.dirname, '../..')
let stores: Stores
let api: TestApi
let client: Client
let authorization: string

beforeAll(async () => {
  stores = await startStores()
  api = await startTestApi(stores, { webRoot: await webInterface(root) })
  const bearer = await token('acme')
  client = new Client(api.url, bearer)
  authorization = `Bearer ${bearer}`
})

afterAll(async () => {
  await api.stop()
  await stores.stop()
})

/** Without the decompression and the `sec-fetch-mode` that fetch adds by itself. */
async function get(
  path: string,
  headers: Record<string, string> = {},
  method: 'GET' | 'POST' = 'GET',
) {
  const response = await request(api.url + path, {
    method,
    headers: { authorization, ...headers },
  })
  const bytes = Buffer.from(await response.body.arrayBuffer())
  return { status: response.statusCode, headers: response.headers, bytes }
}

const browser = { accept: 'text/html,application/xhtml+xml', 'sec-fetch-mode': 'navigate' }

/** The page as a person who has signed in gets it. */
const page = async () => (await get('/', browser)).bytes.toString()

test('any user may read the files: the image runs as another than the one that made them', async () => {
  const folder = await webInterface(root)
  expect(statSync(folder).mode & 0o777).toBe(0o755)
  expect(statSync(join(folder, 'manifest.json')).mode & 0o044).toBe(0o044)
})

test('the page names only files that are served, and loads at most 3 MB of scripts and styles', async () => {
  const names = [...(await page()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(4)
  let bytes = 0
  for (const name of names) {
    const file = await get(name ?? '', { 'accept-encoding': 'gzip, br' })
    expect(file.status, name).toBe(200)
    expect(file.headers['x-content-type-options']).toBe('nosniff')
    bytes += file.bytes.length
  }
  expect(bytes).toBeLessThan(3_000_000)
})

test('hashed files are kept for ever, and come as small as the client can take them', async () => {
  const [, name = ''] = /src="(\/assets\/index-[^"]+\.js)"/.exec(await page()) ?? []
  const plain = await get(name)
  const gzip = await get(name, { 'accept-encoding': 'gzip' })
  const br = await get(name, { 'accept-encoding': 'gzip, deflate, br' })
  expect(plain.headers['content-encoding']).toBeUndefined()
  expect(gzip.headers['content-encoding']).toBe('gzip')
  expect(br.headers['content-encoding']).toBe('br')
  expect(br.bytes.length).toBeLessThan(gzip.bytes.length)
  expect(gzip.bytes.length).toBeLessThan(plain.bytes.length / 2)
  expect(br.headers['cache-control']).toBe('public, max-age=31536000, immutable')
  expect(br.headers['vary']).toBe('accept-encoding')
  const again = await get(name, {
    'accept-encoding': 'gzip, deflate, br',
    'if-none-match': String(br.headers['etag']),
  })
  expect(again.status).toBe(304)
  expect(again.bytes).toHaveLength(0)
})

test('a browser gets the page at any path, a program a problem document', async () => {
  const navigated = await get('/L3dvcms/session', browser)
  expect(navigated.status).toBe(200)
  expect(navigated.headers['content-type']).toBe('text/html; charset=utf-8')
  for (const headers of [
    {},
    { accept: 'application/json' },
    { ...browser, 'sec-fetch-mode': 'cors' },
  ]) {
    const answer = await get('/L3dvcms/session', headers)
    expect(answer.status).toBe(404)
    expect(answer.headers['content-type']).toBe('application/problem+json')
  }
  expect((await get('/L3dvcms/session', browser, 'POST')).status).toBe(404)
})

test('a browser that nobody has signed in is led to where it can', async () => {
  const navigated = await request(`${api.url}/L3dvcms/session`, { headers: browser })
  expect(navigated.statusCode).toBe(302)
  expect(navigated.headers['location']).toBe('/sign-in')
  const call = await request(`${api.url}/session`, { headers: { accept: 'application/json' } })
  expect(call.statusCode).toBe(401)
  const wrong = await request(api.url, { headers: { ...browser, authorization: 'Bearer x' } })
  expect(wrong.statusCode).toBe(401)
  for (const { body } of [navigated, call, wrong]) await body.dump()
})

test("the page's policy lets it call its own host alone", async () => {
  const policy = String((await get('/', browser)).headers['content-security-policy'])
  expect(policy).toContain("default-src 'self'")
  expect(policy).toMatch(/script-src [^;]*'sha256-/)
  expect(policy).toContain("connect-src 'self' data: blob:")
  expect(policy).not.toMatch(/\*|https:/)
  expect(policy).not.toMatch(/script-src [^;]*'unsafe-inline'/)
  expect(pagePolicy("script-src 'self'; connect-src *")).toBe(
    "script-src 'self'; img-src 'self' data: blob:; connect-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  )
})

test('nothing outside of the files is read', async () => {
  for (const path of [
    '/manifest.json',
    '/assets/../manifest.json',
    '/%2e%2e/manifest.json',
    '/constructor',
    '/__proto__',
    '/_headers',
  ]) {
    const answer = await client.send('GET', path)
    expect(answer.status, path).toBe(404)
    await answer.text()
  }
})

test("the home page's list has the newest sessions first", async () => {
  const made: string[] = []
  for (const title of ['one', 'two', 'three'])
    made.push((await client.call<{ id: string }>('POST', '/session', { title })).id)
  interface List {
    data: { id: string; title: string; location: { directory: string } }[]
    cursor: object
  }
  const list = await client.call<List>('GET', '/api/session?limit=2&order=desc')
  expect(list.data.map(({ title }) => title)).toEqual(['three', 'two'])
  expect(list.data[0]?.location).toEqual({ directory: `/workspace/${made[2] ?? ''}` })
  const first = await client.call<List>('GET', '/api/session?limit=1&order=asc')
  expect(first.data.map(({ title }) => title)).toEqual(['one'])
})
