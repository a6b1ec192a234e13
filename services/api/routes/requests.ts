import { Hono } from 'hono'
import { z } from 'zod'
import { Problem } from '../../runtime/problem.ts'
import { readBody } from '../body.ts'
import type { ApiContext, Env, Services } from '../context.ts'
import { answerWith, engineRequest, sessionOf } from './common.ts'

const idPattern = /^[a-z]{2,4}_\w{4,60}$/
const permissionBody = z.object({
  reply: z.enum(['once', 'always', 'reject']),
  message: z.string().max(10_000).optional(),
})
const oldPermissionBody = z.object({ response: z.enum(['once', 'always', 'reject']) })
const answersBody = z.object({
  answers: z.array(z.array(z.string().max(10_000)).max(100)).max(100),
})

/** Questions and permissions that running turns wait for: listed from PostgreSQL, answered through the worker. */
export function requestRoutes(services: Services): Hono<Env> {
  const { requests, turns } = services
  const app = new Hono<Env>()
  app.get('/permission', async (context) =>
    context.json(await requests.list(context.get('identity'), 'permission')),
  )
  app.get('/question', async (context) =>
    context.json(await requests.list(context.get('identity'), 'question')),
  )

  const reply = async (context: ApiContext, id: string, body?: unknown, session?: string) => {
    const found = idPattern.test(id) ? await requests.get(context.get('identity'), id) : undefined
    if (found === undefined || (session ?? found.session) !== found.session)
      throw new Problem(
        404,
        `nothing waits for an answer to "${id.slice(0, 64)}"; it may have been answered already`,
      )
    context.set('sessionID', found.session)
    return answerWith(await turns.command(found.turn, engineRequest(context, body)))
  }
  app.post('/permission/:requestID/reply', async (context) =>
    reply(context, context.req.param('requestID'), await readBody(context, permissionBody)),
  )
  app.post('/question/:requestID/reply', async (context) =>
    reply(context, context.req.param('requestID'), await readBody(context, answersBody)),
  )
  app.post('/question/:requestID/reject', async (context) =>
    reply(context, context.req.param('requestID')),
  )
  app.post('/session/:sessionID/permissions/:permissionID', async (context) => {
    const body = await readBody(context, oldPermissionBody)
    const session = await sessionOf(context, services)
    return reply(context, context.req.param('permissionID'), body, session.id)
  })
  return app
}
