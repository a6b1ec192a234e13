import { BadSnapshot } from '../../protocol/workspace.ts'
import { Hono } from 'hono'
import { stream } from 'hono/streaming'
import { z } from 'zod'
import { turnEvent } from '../../protocol/events.ts'
import { errorFields } from '../../runtime/logger.ts'
import { Problem } from '../../runtime/problem.ts'
import { readBody } from '../body.ts'
import type { Env, Services } from '../context.ts'
import { failureItems } from '../turns/ending.ts'

const fence = z.number().int().nonnegative()
const claimBody = z.object({ worker: z.string().min(1).max(128) })
const eventsBody = z.object({ fence, events: z.array(turnEvent).max(20_000) })
const heartbeatsBody = z.object({
  turns: z.array(z.object({ token: z.string().max(4_096), fence })).max(1_000),
})
const historyBody = z.object({ after: z.record(z.string(), z.number().int()).default({}) })
const endBody = z.object({ fence, uid: z.string().max(128), reason: z.string().max(32) })
const completeBody = z.object({
  fence,
  outcome: z.enum(['completed', 'failed', 'aborted']),
  response: z.object({
    status: z.number().int().min(200).max(599),
    headers: z.record(z.string(), z.string()).default({}),
    body: z.unknown(),
  }),
  error: z.string().optional(),
  givenUp: z.boolean().optional(),
  sandbox: z.enum(['keep', 'end']).optional(),
  project: z
    .object({
      id: z.string().regex(/^(global|[0-9a-f]{40,64})$/),
      vcs: z.literal('git').optional(),
    })
    // A tool can make the engine say anything here; the turn's end does not depend on it.
    .optional()
    .catch(undefined),
})

/** The workers' endpoints. A turn's token opens that turn and nothing else; these paths are never routed from outside. */
export function internalRoutes(services: Services): Hono<Env> {
  const { bodies, database, work, tokens, workspaces, turns, waiter, metrics, publish, sandboxes } =
    services
  const app = new Hono<Env>()
  app.use('/turns/:id/*', async (context, next) => {
    const claims = await tokens.verify(context.req.header('authorization'))
    if (claims.turn !== context.req.param('id'))
      throw new Problem(403, 'this token belongs to another turn')
    // Writes and the end check the fence in their own transactions; reads are refused with the turn's end here.
    if (context.req.method === 'GET') await turns.checkToken(claims)
    context.set('attempt', claims.attempt)
    context.set('claims', claims)
    context.set('identity', { tenant: claims.tenant, user: 'worker', scopes: [] })
    await database.as(claims.tenant, next)
  })
  // The snapshot of a workspace is counted as it streams in, against a limit of its own.
  const received = bodies.ofWorkers()
  app.use('/turns/:id/*', (context, next) =>
    context.req.path.endsWith('/workspace') ? next() : received(context, next),
  )

  // All turns of a worker in one call: each is opened by its own token, and none by another's.
  app.post('/heartbeats', bodies.ofHeartbeats(), async (context) => {
    const said = await readBody(context, heartbeatsBody)
    const turns = await Promise.all(
      said.turns.map(async ({ token, fence: held }) => {
        const claims = await tokens.verify(`Bearer ${token}`).catch(() => undefined)
        return claims === undefined ? [] : [{ id: claims.turn, fence: held }]
      }),
    )
    const known = turns.flat()
    const states = await work.heartbeats(known)
    const named = known.map(({ id, fence: held }, index) => [
      `${id} ${held.toString()}`,
      states[index],
    ])
    return context.json({ turns: Object.fromEntries(named) as object })
  })

  app.post('/turns/:id/claim', async (context) => {
    const { worker } = await readBody(context, claimBody)
    return context.json(await work.claim(context.req.param('id'), worker, context.get('attempt')))
  })

  app.get('/turns/:id/heads', async (context) =>
    context.json(await work.heads(context.req.param('id'))),
  )

  app.post('/turns/:id/history', async (context) => {
    await turns.checkToken(context.get('claims'))
    const { after } = await readBody(context, historyBody)
    context.header('content-type', 'application/x-ndjson')
    return stream(
      context,
      async (output) => {
        for await (const page of work.history(context.req.param('id'), after))
          await output.write(page.map((row) => `${JSON.stringify(row)}\n`).join(''))
      },
      (error) => {
        // A history that ends early must not look complete.
        context.get('log').error(errorFields(error), 'the history could not be read')
        context.env.outgoing.destroy(error)
        return Promise.resolve()
      },
    )
  })

  app.post('/turns/:id/events', async (context) => {
    const body = await readBody(context, eventsBody)
    const { fence: held, events } = body
    const { tenant, items, heads } = await work.events(context.req.param('id'), held, events)
    await publish(tenant, items)
    return context.json({ heads, taken: events.length })
  })

  app.post('/turns/:id/sandbox', async (context) => {
    const { fence: held } = await readBody(context, z.object({ fence }))
    return context.json(await sandboxes.grant(context.req.param('id'), held))
  })

  app.post('/turns/:id/sandbox/end', async (context) => {
    const { fence: held, uid, reason } = await readBody(context, endBody)
    return context.json({ losses: await sandboxes.end(context.req.param('id'), held, uid, reason) })
  })

  app.get('/turns/:id/workspace', async (context) => {
    const snapshot = await workspaces.read(context.req.param('id'))
    if (snapshot === undefined) return context.body(null, 204)
    context.header('content-type', 'application/octet-stream')
    return stream(
      context,
      async (output) => {
        for await (const frame of snapshot) await output.write(frame)
      },
      (error) => {
        context.env.outgoing.destroy(error)
        return Promise.resolve()
      },
    )
  })

  app.put('/turns/:id/workspace', async (context) => {
    const held = Number(context.req.header('x-opencode-fence') ?? Number.NaN)
    if (!Number.isSafeInteger(held))
      throw new Problem(400, 'the header x-opencode-fence must hold the fence of the claim')
    const body = context.req.raw.body as unknown as AsyncIterable<Uint8Array> | null
    if (body === null) throw new Problem(400, 'a snapshot is wanted as the body')
    await workspaces.write(context.req.param('id'), held, body).catch((error: unknown) => {
      // The rest of the body is not read, so no other request can follow it.
      context.env.outgoing.shouldKeepAlive = false
      throw error instanceof BadSnapshot ? new Problem(400, error.message) : error
    })
    return context.body(null, 204)
  })

  app.post('/turns/:id/complete', async (context) => {
    const turnID = context.req.param('id')
    const { fence: held, ...completion } = await readBody(context, completeBody)
    const response = { ...completion.response, body: completion.response.body ?? null }
    const { rootID, tenant, seconds, ended, answer } = await work.complete(turnID, held, {
      ...completion,
      response,
    })
    await publish(tenant, failureItems(ended, answer))
    metrics.turns.inc({ outcome: completion.givenUp === true ? 'dead' : completion.outcome })
    metrics.turnDuration.observe(seconds)
    await waiter.over(turnID).catch(() => undefined)
    await turns.promote(rootID)
    return context.json({})
  })
  return app
}
