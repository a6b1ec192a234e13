import { describe, expect, it } from 'vitest'
import { Affinity } from '../../edge/src/affinity.ts'
import { isTraceparent, originHeaders, requestID } from '../../edge/src/headers.ts'
import { Proofs, prove } from '../../edge/src/proof.ts'
import { isInternal } from '../../edge/src/proxy.ts'
import { isRepeatable, RetryBudget } from '../../edge/src/retry.ts'

const fields = {
  requestID: 'request-1',
  protocol: 'https',
  host: 'api.test',
  address: '192.0.2.1',
  traceRatio: 0,
}
const affinity = (secret = 'secret'): Affinity =>
  new Affinity(secret, 172_800, (name) => ['us', 'eu'].includes(name))
const now = 1_795_000_000_000

describe('headers for the origin', () => {
  it('drop what a client must not say, and say it themselves', () => {
    const headers = originHeaders(
      new Headers({
        'x-forwarded-for': '10.0.0.1',
        'x-forwarded-region': 'mars',
        'x-opencode-edge': 't=1,v1=00',
        'x-opencode-draining': '1',
        'x-real-ip': '10.0.0.1',
        forwarded: 'for=10.0.0.1',
        'true-client-ip': '10.0.0.1',
        'x-request-id': 'spoofed',
        'x-custom': 'stays',
        authorization: 'Bearer stays',
      }),
      fields,
    )
    expect(Object.fromEntries(headers)).toEqual({
      'x-custom': 'stays',
      authorization: 'Bearer stays',
      'x-request-id': 'request-1',
      'x-forwarded-for': '192.0.2.1',
      'x-forwarded-host': 'api.test',
      'x-forwarded-proto': 'https',
      traceparent: headers.get('traceparent'),
    })
  })

  it('drop hop-by-hop fields and those that connection names', () => {
    const headers = originHeaders(
      new Headers({
        connection: 'keep-alive, X-Hop',
        'x-hop': '1',
        te: 'trailers',
        'keep-alive': '5',
        upgrade: 'h2c',
      }),
      fields,
    )
    for (const name of ['connection', 'x-hop', 'te', 'keep-alive', 'upgrade'])
      expect(headers.has(name)).toBe(false)
  })

  it('keep a WebSocket upgrade', () => {
    expect(
      originHeaders(new Headers({ upgrade: 'websocket', connection: 'Upgrade' }), fields).get(
        'upgrade',
      ),
    ).toBe('websocket')
  })

  it('keep a good traceparent and replace a bad one together with its state', () => {
    const good = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    expect(
      originHeaders(new Headers({ traceparent: good, tracestate: 'a=b' }), fields).get(
        'tracestate',
      ),
    ).toBe('a=b')
    const headers = originHeaders(
      new Headers({ traceparent: `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, tracestate: 'a=b' }),
      fields,
    )
    expect(isTraceparent(headers.get('traceparent') ?? '')).toBe(true)
    expect(headers.has('tracestate')).toBe(false)
  })

  it('take a harmless request id and no other', () => {
    expect(requestID('abc-DEF_123')).toBe('abc-DEF_123')
    for (const bad of [null, '', 'short', 'a b c d e f g', 'x'.repeat(129), '<script>alert'])
      expect(requestID(bad)).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('the home region', () => {
  it('comes from a cookie that the edge made', async () => {
    const cookie = (await affinity().make('eu', now))?.split(';')[0] ?? ''
    expect(await affinity().cookie(`a=b; ${cookie}`, now)).toBe('eu')
    expect(await affinity().cookie(cookie, now + 172_801_000)).toBeUndefined()
  })

  it('does not come from a forged, changed or foreign cookie', async () => {
    const cookie = (await affinity().make('eu', now))?.split(';')[0] ?? ''
    const forged = [
      cookie.replace('eu', 'us'),
      cookie.replace(/\.(\d)/, '.9'),
      `${cookie.slice(0, -1)}g`,
      cookie.slice(0, -1),
      'opencode-region=eu',
      'opencode-region=',
      ((await affinity('other').make('eu', now)) ?? '').split(';')[0] ?? '',
      ((await affinity().make('mars', now)) ?? '').split(';')[0] ?? '',
    ]
    for (const value of forged) expect(await affinity().cookie(value, now), value).toBeUndefined()
  })

  it('comes from the region claim of a bearer token, or of one sent as a password', () => {
    const token = `${btoa('{}')}.${btoa('{"sub":"u","tenant":"t","region":"eu"}')}.signature`
    expect(affinity().claim(`Bearer ${token}`)).toBe('eu')
    expect(affinity().claim(`Basic ${btoa(`anyone:${token}`)}`)).toBe('eu')
    for (const bad of [
      null,
      '',
      'Bearer',
      'Bearer a.b.c',
      'Basic ///',
      `Bearer x.${btoa('{"region":"mars"}')}.y`,
      `Bearer x.${btoa('null')}.y`,
    ]) {
      expect(affinity().claim(bad), String(bad)).toBeUndefined()
    }
  })
})

describe('what may be repeated', () => {
  it('is a request without effect, or one with a key and no body', () => {
    const key = new Headers({ 'idempotency-key': '1' })
    expect(
      ['GET', 'HEAD', 'OPTIONS'].map((method) => isRepeatable(method, new Headers(), false)),
    ).toEqual([true, true, true])
    expect([
      isRepeatable('POST', key, false),
      isRepeatable('POST', key, true),
      isRepeatable('POST', new Headers(), false),
    ]).toEqual([true, false, false])
  })

  it('is bounded by a budget that requests earn', () => {
    const budget = new RetryBudget({ share: 0.5, most: 1 })
    expect([budget.spend(), budget.spend()]).toEqual([true, false])
    budget.earn()
    budget.earn()
    expect(budget.spend()).toBe(true)
  })
})

describe('paths that never leave a region', () => {
  for (const path of [
    '/internal',
    '/internal?x',
    '/internal/turns/1',
    '/%69nternal/x',
    '/%2569nternal/x',
    '//internal/x',
    '/INTERNAL/x',
    '/a/..%2finternal/x',
    '/%2e%2e/internal?x',
    '/\\internal',
  ]) {
    it(`refuses ${path}`, () => {
      expect(isInternal(path)).toBe(true)
    })
  }
  for (const path of [
    '/',
    '/session?next=/internal',
    '/a/internal',
    '/internals',
    '/%',
    '/file/%E4%BD%A0',
    '/Session',
  ]) {
    it(`passes ${path}`, () => {
      expect(isInternal(path)).toBe(false)
    })
  }
})

describe('the proof that a request came through the edge', () => {
  const at = 1_795_000_000_000
  const vector = 't=1795000000,v2=56c0493af525191f421e9bec7227cf402a3538e1b69611589cfb671dd58e6660'

  it("is the one of the documentation's test vector", async () => {
    expect(await prove('edge-secret', 'us.api.opencode.io', at)).toBe(vector)
  })

  it('is made once for a second and host', async () => {
    const proofs = new Proofs('edge-secret')
    expect(await proofs.get('us.api.opencode.io', at)).toBe(vector)
    expect(proofs.get('us.api.opencode.io', at + 999)).toBe(vector)
    expect(await proofs.get('eu.api.opencode.io', at + 999)).not.toBe(vector)
    expect(await proofs.get('us.api.opencode.io', at + 1_000)).toMatch(
      /^t=1795000001,v2=[0-9a-f]{64}$/,
    )
  })
})
