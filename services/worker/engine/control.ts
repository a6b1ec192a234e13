import { mkdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { Hono } from 'hono'
import type { Engine } from './engine.ts'
import type { EngineSettings } from './environment.ts'
import { projectOf } from './project.ts'
import { fingerprint, pack, snapshotRoots, unpack } from './snapshot.ts'

/**
 * The control API on loopback, spoken by the supervisor in the neighbouring container.
 *
 * It needs no credential: all it can do is restart the engine and read or write the session's own files, which a tool
 * running beside it can do anyway. Whatever a tool changes here is gone with the recycling after its turn.
 * @param leave - Called when the supervisor has no more use for the engine's container.
 */
export function controlApi(engine: Engine, settings: EngineSettings, leave: () => void): Hono {
  const app = new Hono()
  let queue: Promise<unknown> = Promise.resolve()
  // One change at a time: two starts at once would sweep each other away.
  const inTurn = <T>(action: () => Promise<T>): Promise<T> => {
    const result = queue.then(action, action)
    queue = result.catch(() => undefined)
    return result
  }
  const roots = (directory: string | undefined) =>
    snapshotRoots(settings.workspaceRoot, settings.home, directory ?? '')

  app.get('/status', (context) => context.json(engine.status))
  app.post('/start', async (context) => {
    const { config } = await context.req.json<{ config: object }>()
    return context.json(await inTurn(() => engine.start(config)))
  })
  app.post('/stop', async (context) => {
    await inTurn(() => engine.stop())
    return context.json(engine.status)
  })
  app.post('/leave', (context) => {
    setTimeout(leave, 50)
    return context.body(null, 204)
  })
  app.post('/workspace', async (context) => {
    await mkdir(roots(context.req.query('directory')).workspace, { recursive: true })
    return context.body(null, 204)
  })
  app.put('/workspace', async (context) => {
    const body = context.req.raw.body
    if (body === null) return context.json({ message: 'a tar.gz is wanted as the body' }, 400)
    await unpack(roots(context.req.query('directory')), Readable.fromWeb(body as never))
    return context.body(null, 204)
  })
  app.get('/workspace', async (context) => {
    const archive = await pack(roots(context.req.query('directory')))
    return context.body(Readable.toWeb(archive) as ReadableStream, 200, {
      'content-type': 'application/gzip',
    })
  })
  app.get('/workspace/fingerprint', async (context) =>
    context.json({ fingerprint: await fingerprint(roots(context.req.query('directory'))) }),
  )
  app.get('/workspace/project', async (context) =>
    context.json(await projectOf(roots(context.req.query('directory')).workspace)),
  )
  app.onError((error, context) => context.json({ message: error.message }, 500))
  return app
}
