import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  SignJWT,
  UnsecuredJWT,
  type CryptoKey,
  type JWK,
  type JWTPayload,
} from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuthenticator, tokenOf, type AuthConfig } from '../../services/runtime/auth.ts'
import { Problem } from '../../services/runtime/problem.ts'
import { freePort } from './support/free-port.ts'

const secret = 'the key that signs now'
const previousSecret = 'the key before the rotation'
const bytes = (text: string) => new TextEncoder().encode(text)
const pairs: Record<string, { privateKey: CryptoKey; publicKey: CryptoKey }> = {}
let keys: JWK[]
let answer: { status: number; body: string }
let server: Server
let jwksURL: string

beforeAll(async () => {
  for (const [kid, alg] of [
    ['rsa', 'RS256'],
    ['ec', 'ES256'],
    ['unpublished', 'RS256'],
    ['pss', 'PS256'],
  ] as const) {
    pairs[kid] = await generateKeyPair(alg, { extractable: true })
  }
  keys = await Promise.all(
    ['rsa', 'ec', 'pss'].map(async (kid) => ({ ...(await exportJWK(pair(kid).publicKey)), kid })),
  )
  answer = { status: 200, body: JSON.stringify({ keys }) }
  server = createServer((_, response) => {
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  jwksURL = `http://127.0.0.1:${(server.address() as AddressInfo).port.toString()}/keys`
})

afterAll(() => server.close())

function pair(kid: string) {
  const found = pairs[kid]
  if (found === undefined) throw new Error(`no pair "${kid}"`)
  return found
}

/** Claims of a good token; `undefined` takes one away. */
interface Claims {
  tenant?: unknown
  sub?: unknown
  iss?: unknown
  aud?: unknown
  exp?: unknown
  nbf?: unknown
}

function claims(changes: Claims = {}): JWTPayload {
  const seconds = Math.floor(Date.now() / 1000)
  return {
    tenant: 'acme',
    sub: 'ann',
    iss: 'opencode',
    aud: 'opencode',
    exp: seconds + 300,
    ...changes,
  } as JWTPayload
}

const hs256 = (changes?: Claims, key = secret) =>
  new SignJWT(claims(changes)).setProtectedHeader({ alg: 'HS256' }).sign(bytes(key))
const byKey = (alg: string, kid: string, header = kid) =>
  new SignJWT(claims()).setProtectedHeader({ alg, kid: header }).sign(pair(kid).privateKey)
const bearer = (token: string) => `Bearer ${token}`

const authenticate = async (config: AuthConfig, authorization: string | undefined) =>
  createAuthenticator(config).verify(tokenOf(authorization))

/** The status and the words of a refusal. */
async function refusal(authorization: string | undefined, config: Partial<AuthConfig> = {}) {
  const error: unknown = await authenticate(
    { secret, previousSecret, jwksURL, ...config },
    authorization,
  ).then(
    (identity) => new Error(`let in: ${JSON.stringify(identity)}`),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof Problem)) throw error
  return { status: error.status, detail: error.message, headers: error.headers }
}

describe('GIVEN a token this service accepts', () => {
  test.each([
    ['HS256', () => hs256()],
    ['HS256 with the key before the rotation', () => hs256({}, previousSecret)],
    ['RS256 of the key set', () => byKey('RS256', 'rsa')],
    ['ES256 of the key set', () => byKey('ES256', 'ec')],
    ['several audiences', () => hs256({ aud: ['other', 'opencode'] })],
  ])('%s THEN it says who asks', async (_, sign) => {
    const identity = await authenticate({ secret, previousSecret, jwksURL }, bearer(await sign()))
    expect(identity).toMatchObject({ tenant: 'acme', user: 'ann' })
    expect(identity.expires).toBeGreaterThan(Date.now() / 1000)
  })

  test('WHEN it is the password of basic auth THEN the user name does not matter', async () => {
    const token = await hs256()
    for (const name of ['', 'opencode', 'a:b'.slice(0, 1)]) {
      const authorization = `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}`
      expect(await authenticate({ secret }, authorization)).toMatchObject({
        tenant: 'acme',
      })
    }
  })

  test('WHEN issuer and audience are configured THEN those count', async () => {
    const config = { secret, issuer: 'https://login.example', audience: 'us' }
    expect(
      await createAuthenticator(config).verify(
        await hs256({ iss: 'https://login.example', aud: 'us' }),
      ),
    ).toMatchObject({ user: 'ann' })
    expect(await refusal(bearer(await hs256()), config)).toMatchObject({
      status: 401,
      detail: expect.stringContaining('https://login.example') as string,
    })
  })
})

describe('GIVEN anything else', () => {
  const seconds = () => Math.floor(Date.now() / 1000)
  test.each<[string, () => string | undefined | Promise<string | undefined>, RegExp]>([
    ['no header', () => undefined, /send "Authorization: Bearer/],
    ['another scheme', () => 'Digest abc', /must be Bearer or Basic/],
    ['a scheme alone', () => 'Bearer ', /holds no token/],
    [
      'basic auth without a password',
      () => `Basic ${Buffer.from('opencode').toString('base64')}`,
      /as the password/,
    ],
    ['no JWT', () => 'Bearer abc', /not a valid JWT/],
    ['three dots', () => 'Bearer a.b.c', /not a valid JWT/],
    ['an enormous token', () => `Bearer ${'a'.repeat(20_000)}`, /holds no token/],
    [
      'a foreign key',
      async () => bearer(await hs256({}, 'some other key altogether')),
      /not signed with a key/,
    ],
    ['no signature', () => bearer(new UnsecuredJWT(claims()).encode()), /not a valid JWT/],
    [
      'an expired token',
      async () => bearer(await hs256({ exp: seconds() - 60 })),
      /has expired; get a new one/,
    ],
    ['a token for later', async () => bearer(await hs256({ nbf: seconds() + 600 })), /"nbf"/],
    ['no expiry', async () => bearer(await hs256({ exp: undefined })), /"exp"/],
    ['another issuer', async () => bearer(await hs256({ iss: 'someone' })), /"iss".*"opencode"/],
    ['no issuer', async () => bearer(await hs256({ iss: undefined })), /"iss"/],
    ['another audience', async () => bearer(await hs256({ aud: 'someone' })), /"aud".*"opencode"/],
    ['no subject', async () => bearer(await hs256({ sub: undefined })), /"sub"/],
    ['no tenant', async () => bearer(await hs256({ tenant: undefined })), /"tenant" claim/],
    [
      'a tenant that is a list',
      async () => bearer(await hs256({ tenant: ['acme'] })),
      /"tenant" claim/,
    ],
    [
      'a tenant that would match others',
      async () => bearer(await hs256({ tenant: '*' })),
      /"tenant" claim/,
    ],
    ['a tenant with a colon', async () => bearer(await hs256({ tenant: 'a:b' })), /"tenant" claim/],
    [
      'a key that is not published',
      async () => bearer(await byKey('RS256', 'unpublished')),
      /no key with the id/,
    ],
    [
      'a published id, another key',
      async () => bearer(await byKey('RS256', 'unpublished', 'rsa')),
      /not signed with a key/,
    ],
    [
      'an algorithm that is not allowed',
      async () => bearer(await byKey('PS256', 'pss')),
      /not a valid JWT/,
    ],
    [
      'HS256 with the published key as its secret',
      async () => bearer(await hs256({}, await exportSPKI(pair('rsa').publicKey))),
      /not signed with a key/,
    ],
  ])('%s THEN 401 says what is wrong', async (_, authorization, words) => {
    const { status, detail, headers } = await refusal(await authorization())
    expect(status).toBe(401)
    expect(detail).toMatch(words)
    expect(headers['www-authenticate']).toMatch(/Basic.*Bearer/)
  })

  test('WHEN the rotation is over THEN the key before it is refused', async () => {
    expect(
      await refusal(bearer(await hs256({}, previousSecret)), { previousSecret: undefined }),
    ).toMatchObject({ status: 401 })
  })

  test('WHEN no key set is configured THEN a token of one is refused with the variable to set', async () => {
    expect(
      await refusal(bearer(await byKey('RS256', 'rsa')), { jwksURL: undefined }),
    ).toMatchObject({ status: 401, detail: expect.stringContaining('JWT_JWKS_URL') as string })
  })
})

describe('GIVEN a key set that cannot be read', () => {
  test.each([
    ['an error', { status: 500, body: 'oops' }],
    ['no key set', { status: 200, body: '[]' }],
    ['no JSON', { status: 200, body: '<html>' }],
  ])('%s THEN its tokens get 503, not 401; HS256 goes on', async (_, broken) => {
    const before = answer
    answer = broken
    try {
      expect(await refusal(bearer(await byKey('RS256', 'rsa')))).toMatchObject({ status: 503 })
      expect(await createAuthenticator({ secret, jwksURL }).verify(await hs256())).toMatchObject({
        user: 'ann',
      })
    } finally {
      answer = before
    }
  })

  test('nobody listens THEN 503', async () => {
    expect(
      await refusal(bearer(await byKey('RS256', 'rsa')), {
        jwksURL: `http://127.0.0.1:${(await freePort()).toString()}/`,
      }),
    ).toMatchObject({ status: 503 })
  })
})
