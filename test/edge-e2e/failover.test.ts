import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { operate, startWorld, until } from './lib/world.ts'
import type { World } from './lib/world.ts'

let world: World
const get = (path = '/session'): Promise<Response> => fetch(`${world.edge.url}${path}`)
const post = (body = 'prompt'): Promise<Response> =>
  fetch(`${world.edge.url}/session`, { method: 'POST', body })
const regionOf = async (response: Promise<Response>): Promise<string | null> =>
  (await response).headers.get('x-region')

interface Shown {
  checkedAt: number
  regions: Record<string, { healthy: boolean }>
  controls: { drained: string[] }
}
const shown = async (): Promise<Shown> =>
  (await (await operate(world.edge, 'health')).json()) as Shown

afterEach(async () => {
  await world.stop()
})

describe('failover', () => {
  it('goes from a region that refuses connections to the next, then stays away, and comes back', async () => {
    world = await startWorld()
    expect(await regionOf(get())).toBe('us')
    await world.us.kill()
    for (let time = 0; time < 10; time += 1) expect(await regionOf(get())).toBe('eu')
    await until('us is down', async () => (await shown()).regions['us']?.healthy === false)
    await world.us.start()
    await until('us is used again', async () => (await regionOf(get())) === 'us')
  })

  it('repeats a GET whose connection is reset, and not a POST', async () => {
    world = await startWorld()
    world.us.behaviour = (request) => {
      request.socket.resetAndDestroy()
    }
    expect(await regionOf(get())).toBe('eu')
    const answer = await post()
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({
      status: 502,
      requestID: answer.headers.get('x-request-id'),
    })
    expect(world.eu.received.filter((line) => line.startsWith('POST'))).toEqual([])
  })

  it('does not leave a region because clients break off their uploads', async () => {
    world = await startWorld()
    const { hostname, port } = new URL(world.edge.directUrl)
    for (let time = 0; time < 5; time += 1) {
      await new Promise((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          socket.end(
            'POST /upload HTTP/1.1\r\nhost: api.test\r\ncontent-length: 100000\r\n\r\nhalf',
          )
        })
        socket
          .resume()
          .on('error', () => undefined)
          .on('close', resolve)
      })
    }
    expect(await regionOf(get())).toBe('us')
    expect(world.eu.received).toEqual([])
  })

  it('repeats a GET whose headers are late', async () => {
    world = await startWorld({ settings: { headerTimeout: 3_000 } })
    world.us.behaviour = () => undefined
    expect(await regionOf(get())).toBe('eu')
  })

  it('repeats a GET that is answered 503, and passes on the answer to a POST', async () => {
    world = await startWorld()
    world.us.behaviour = (request, response) => {
      request.resume().on('end', () => {
        response.writeHead(503, { 'x-region': 'us' }).end('busy')
      })
    }
    expect(await regionOf(get())).toBe('eu')
    const answer = await post()
    expect([answer.status, answer.headers.get('x-region'), await answer.text()]).toEqual([
      503,
      'us',
      'busy',
    ])
    expect(world.eu.received).toEqual(['GET /session'])
  })

  it('takes a POST that a draining region did not take to the next region, body and all', async () => {
    world = await startWorld()
    world.us.behaviour = (request, response) => {
      request.resume().on('end', () => {
        response.writeHead(503, { 'x-opencode-draining': '1' }).end()
      })
    }
    let body = ''
    world.eu.behaviour = (request, response) => {
      request.on('data', (data: Buffer) => {
        body += data.toString()
      })
      world.eu.ok(request, response)
    }
    expect(await regionOf(post('the whole prompt'))).toBe('eu')
    expect(body).toBe('the whole prompt')
  })

  it('never sends a POST twice while a region dies under load', async () => {
    world = await startWorld()
    let sent = 0
    const statuses: number[] = []
    const load = Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let time = 0; time < 40; time += 1) {
          const answer = await fetch(`${world.edge.url}/turn/${(sent += 1).toString()}`, {
            method: 'POST',
            body: 'prompt',
          })
          statuses.push(answer.status)
          await answer.arrayBuffer()
        }
      }),
    )
    await until('some load', () => world.us.received.length > 50)
    await world.us.kill()
    await load
    const received = [...world.us.received, ...world.eu.received, ...world.apac.received]
    expect(new Set(received).size).toBe(received.length)
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(280)
  })

  it('fails open when every region is down, and says so in JSON when nothing can serve', async () => {
    world = await startWorld()
    for (const origin of [world.us, world.eu, world.apac]) origin.health = 503
    await until('all are down', async () =>
      Object.values((await shown()).regions).every(({ healthy }) => !healthy),
    )
    expect(await regionOf(get())).toBe('us')
    await Promise.all([world.us.kill(), world.eu.kill(), world.apac.kill()])
    const answer = await get()
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      502,
      'application/problem+json',
    ])
    expect(await answer.json()).toMatchObject({
      name: 'Badgateway',
      requestID: answer.headers.get('x-request-id'),
    })
  })

  it('does not move with an origin whose health check fails every other time', async () => {
    world = await startWorld()
    const flapping = setInterval(() => {
      world.us.health = world.us.health === 200 ? 503 : 200
    }, 500)
    const used = new Set<string | null>()
    const end = Date.now() + 6_000
    while (Date.now() < end) used.add(await regionOf(get()))
    clearInterval(flapping)
    // The probes' beat and the origin's may slip against each other; more than one move would be flapping.
    expect(used.size).toBeLessThanOrEqual(2)
    expect(used.has('us')).toBe(true)
  })
})

describe('operators', () => {
  it('drain, pin and promote regions, and need their token', async () => {
    world = await startWorld()
    expect((await operate(world.edge, 'health', undefined, 'wrong')).status).toBe(401)
    expect((await operate(world.edge, 'drain', { region: 'us', on: true })).status).toBe(200)
    expect(await regionOf(get())).toBe('eu')
    expect((await operate(world.edge, 'pin', { region: 'apac' })).status).toBe(200)
    expect(await regionOf(get())).toBe('apac')
    await operate(world.edge, 'pin', { region: null })
    await operate(world.edge, 'drain', { region: 'us', on: false })
    await operate(world.edge, 'promote', { region: 'us', to: 'apac' })
    expect(await regionOf(post())).toBe('apac')
    await operate(world.edge, 'promote', { region: 'us', to: null })
    expect(await regionOf(post())).toBe('us')
    expect((await operate(world.edge, 'pin', { region: 'mars' })).status).toBe(400)
    expect((await operate(world.edge, 'nothing', {})).status).toBe(404)
  })

  it('find their decisions and the health state again after a restart', async () => {
    const persist = await mkdtemp(join(tmpdir(), 'edge-'))
    try {
      world = await startWorld({ persist })
      world.apac.health = 503
      await operate(world.edge, 'drain', { region: 'us', on: true })
      await until('apac is down', async () => (await shown()).regions['apac']?.healthy === false)
      await world.stop()
      // New origins on other ports: only what is stored can tell of the old ones.
      world = await startWorld({ persist, settings: { probeInterval: 600_000 } })
      const state = await shown()
      expect([state.regions['apac']?.healthy, state.controls.drained]).toEqual([false, ['us']])
      await until('the stored decision is used', async () => (await regionOf(get())) === 'eu')
    } finally {
      await rm(persist, { recursive: true, force: true })
    }
  })
})
