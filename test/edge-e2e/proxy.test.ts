import { readdirSync, readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import type { Response as MiniflareResponse } from 'miniflare'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { localSecrets } from '../../edge/tools/local.ts'
import type { Env } from '../../services/api/context.ts'
import { edgeProof } from '../../services/api/middleware/access.ts'
import { Problem } from '../../services/runtime/problem.ts'
import { startWorld, until } from './lib/world.ts'
import type { World } from './lib/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(async () => {
  await world.stop()
})
beforeEach(() => {
  for (const origin of [world.us, world.eu, world.apac]) origin.behaviour = origin.ok
})

/** The most memory that workerd has had, MiB. */
function workerdPeak(): number {
  const peaks = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8')
        const mine =
          /^Name:\s+workerd$/m.test(status) &&
          status.includes(`\nPPid:\t${process.pid.toString()}\n`)
        return mine ? Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024 : 0
      } catch {
        return 0 // Ended meanwhile.
      }
    })
  return Math.max(...peaks)
}

describe('a request', () => {
  for (const [continent, region] of [
    ['NA', 'us'],
    ['EU', 'eu'],
    ['OC', 'apac'],
    [null, 'us'],
  ] as const) {
    it(`from ${continent ?? 'nowhere'} goes to ${region}`, async () => {
      const send = world.edge.miniflare.dispatchFetch.bind(world.edge.miniflare)
      const answer: MiniflareResponse = await send(`${world.edge.url}/x`, {
        cf: { continent } as never,
      })
      expect(answer.headers.get('x-region')).toBe(region)
    })
  }

  it('carries nothing that the client made up', async () => {
    await fetch(`${world.edge.url}/x`, {
      headers: {
        'x-opencode-edge': 't=1,v1=0',
        'x-forwarded-region': 'mars',
        'x-forwarded-for': '10.9.8.7',
        'x-opencode-draining': '1',
      },
    })
    const { headers } = world.us
    expect(headers['x-forwarded-region']).toBe('us')
    expect(headers['x-forwarded-for']).not.toContain('10.9.8.7')
    expect(headers['x-opencode-draining']).toBeUndefined()
    expect(headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/)
  })

  // The API's own guard, as it stands before its routes.
  const api = new Hono<Env>()
    .use('*', edgeProof(localSecrets.EDGE_SECRET))
    .all('*', (context) => context.text('accepted'))
  api.onError((error) =>
    error instanceof Problem ? error.toResponse() : new Response(error.message, { status: 500 }),
  )

  for (const path of [
    '/',
    '/session?directory=%2Fw',
    '/file/%E4%BD%A0/../a//b',
    '/a%2Fb%20c?x=1&y=%',
    '/é?q=ü "<>',
    "/a;b=c,d@e:f!$'()*+~",
    '/x?',
    '/?a=b?c#d',
  ]) {
    it(`for ${path} carries a proof that the API accepts`, async () => {
      const listener = getRequestListener(api.fetch)
      world.us.behaviour = (request, response) => {
        void listener(request, response)
      }
      expect(
        await (
          await fetch(world.edge.url + path, { headers: { 'x-opencode-edge': 't=1,v1=0' } })
        ).text(),
      ).toBe('accepted')
      // Read before anything else reaches the origin.
      const headers = { 'x-opencode-edge': String(world.us.headers['x-opencode-edge']) }
      expect((await fetch(world.us.url + path)).status).toBe(403)
      // The same proof at another host: it would be another region's.
      expect((await fetch(world.us.url + path, { headers })).status).toBe(200)
      expect(
        (await fetch(world.us.url.replace('127.0.0.1', 'localhost') + path, { headers })).status,
      ).toBe(403)
    })
  }

  it('goes to the home region that the cookie of the first write names, and a changed cookie is not believed', async () => {
    const send = world.edge.miniflare.dispatchFetch.bind(world.edge.miniflare)
    const cf = { continent: 'EU' } as never
    expect((await send(`${world.edge.url}/x`, { cf })).headers.get('set-cookie')).toBeNull()
    const first = await send(`${world.edge.url}/x`, { cf, method: 'POST' })
    const cookie = first.headers.get('set-cookie')?.split(';')[0] ?? ''
    const again = await fetch(`${world.edge.url}/x`, { headers: { cookie } })
    expect([again.headers.get('x-region'), again.headers.get('set-cookie')]).toEqual(['eu', null])
    expect(
      (
        await fetch(`${world.edge.url}/x`, { headers: { cookie: cookie.replace('=eu', '=apac') } })
      ).headers.get('x-region'),
    ).toBe('us')
  })

  it("for a path of the regions' inside is refused", async () => {
    expect(
      (await fetch(`${world.edge.url}/internal/turns/1/claim`, { method: 'POST' })).status,
    ).toBe(404)
  })

  it('gets a redirect as it is', async () => {
    world.us.behaviour = (_request, response) => {
      response.writeHead(302, { location: 'http://elsewhere.invalid/' }).end()
    }
    const answer = await fetch(`${world.edge.url}/x`, { redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([
      302,
      'http://elsewhere.invalid/',
    ])
  })
})

describe('a stream', () => {
  it('of events arrives one by one', async () => {
    let next: (() => void) | undefined
    world.us.behaviour = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      next = () => {
        response.end('data: 2\n\n')
      }
    }
    const answer = await fetch(`${world.edge.url}/event`)
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('data: 1\n\n')
    // The second event is written only now: the first one cannot have waited for it.
    next?.()
    expect((await reader?.read())?.value).toBe('data: 2\n\n')
  })

  it('of 100 MB upwards arrives whole, in bounded memory', async () => {
    let received = 0
    world.us.behaviour = (request, response) => {
      request
        .on('data', (data: Buffer) => {
          received += data.length
        })
        .on('end', () => {
          response.end()
        })
    }
    await fetch(`${world.edge.url}/warm`, { method: 'POST', body: new Uint8Array(1024 * 1024) })
    received = 0
    const before = workerdPeak()
    const total = 100 * 1024 * 1024
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const upload = httpRequest(
        `${world.edge.url}/upload`,
        { method: 'POST', headers: { 'content-length': total } },
        (response) => {
          resolve(response.resume().statusCode)
        },
      )
      upload.on('error', reject)
      const block = Buffer.alloc(1024 * 1024)
      let left = 100
      const write = (): void => {
        while (left > 0) {
          left -= 1
          if (!upload.write(block)) {
            upload.once('drain', write)
            return
          }
        }
        upload.end()
      }
      write()
    })
    expect([status, received]).toEqual([200, total])
    expect(before).toBeGreaterThan(0)
    expect(workerdPeak() - before).toBeLessThan(50)
  })

  it('that the client leaves ends at the origin', async () => {
    for (const started of [true, false]) {
      let begun = false
      world.us.behaviour = (request, response) => {
        request.resume()
        begun = true
        if (started) response.writeHead(200).write('first')
      }
      const aborted = world.us.aborted
      // A POST has an hour for its headers: nothing else ends it in this test.
      const client = httpRequest(`${world.edge.url}/session`, { method: 'POST' }).on(
        'error',
        () => undefined,
      )
      const first = new Promise<void>((resolve) => {
        client.on('response', (response) => {
          response
            .on('error', () => undefined)
            .once('data', () => {
              resolve()
            })
        })
      })
      client.end('prompt')
      await until('the origin has it', () => begun)
      if (started) await first
      // A reset, not a close: half a close is a client that still reads.
      client.socket?.resetAndDestroy()
      await until(
        `the origin notices (${started ? 'after' : 'before'} the first byte)`,
        () => world.us.aborted > aborted,
      )
    }
  })

  it('over a WebSocket is echoed', async () => {
    const socket = new WebSocket(`${world.edge.url.replace('http', 'ws')}/ws`)
    await new Promise((resolve, reject) => {
      socket.on('open', resolve).on('error', reject)
    })
    const echo = new Promise<string>((resolve) => {
      socket.on('message', (data: Buffer) => {
        resolve(data.toString())
      })
    })
    socket.send('hello')
    expect(await echo).toBe('hello')
    expect(world.us.headers['x-opencode-edge']).toBeDefined()
    socket.close()
  })
})
