import { Hono } from 'hono'
import { z } from 'zod'
import { createID } from '../../runtime/ids.ts'
import { Problem } from '../../runtime/problem.ts'
import { readBody, readQuery } from '../body.ts'
import { engineVersion } from '../catalogue/index.ts'
import type { ApiContext, Env, Services } from '../context.ts'
import type { StoredSession } from '../store/sessions.ts'
import { answerWith, engineRequest, sessionDirectory, sessionOf } from './common.ts'
import { slug } from './slug.ts'

const rule = z.object({
  permission: z.string(),
  pattern: z.string(),
  action: z.enum(['allow', 'deny', 'ask']),
})
// Fields that are not known here are left out, as the engine does: a newer client may send more.
const createBody = z.object({
  parentID: z.string().regex(/^ses/).max(64).optional(),
  title: z.string().max(1_000).optional(),
  agent: z.string().max(128).optional(),
  model: z
    .object({ id: z.string(), providerID: z.string(), variant: z.string().optional() })
    .optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  permission: z.array(rule).max(200).optional(),
})
const updateBody = z.object({
  title: z.string().max(1_000).optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  permission: z.array(rule).max(200).optional(),
  time: z.object({ archived: z.number().optional() }).optional(),
})
const flag = z
  .enum(['true', 'false', '1', '0', ''])
  .transform((value) => value === 'true' || value === '1')
const listQuery = z.object({
  roots: flag.optional(),
  start: z.coerce.number().nonnegative().max(8.64e15).optional(),
  search: z.string().max(200).optional(),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .transform((limit) => Math.min(limit, 1_000))
    .optional(),
})
const diffQuery = z.object({
  messageID: z
    .string()
    .regex(/^msg\w*$/)
    .max(64)
    .optional(),
})

/** Sessions, answered from the log; while a worker has one, changes to it go to that worker, so that one writer owns its order. */
export function sessionRoutes(services: Services): Hono<Env> {
  const { sessions, turns, work, publish, config } = services
  const app = new Hono<Env>()

  const list = async (context: ApiContext) => {
    const { roots, start, search, limit } = readQuery(context, listQuery)
    return sessions.list(context.get('identity'), {
      roots: roots ?? false,
      start,
      search,
      limit,
      directory: sessionDirectory(context, config.workspaceRoot),
    })
  }
  app.get('/session', async (context) =>
    context.json((await list(context)).map(({ info }) => info)),
  )
  app.get('/experimental/session', async (context) =>
    context.json(
      (await list(context)).map(({ info }) => ({
        ...info,
        project: { id: 'global', worktree: '/' },
      })),
    ),
  )

  app.get('/session/status', async (context) => {
    const busy = await turns.busy(context.get('identity'))
    return context.json(Object.fromEntries(busy.map((id) => [id, { type: 'busy' }])))
  })

  app.post('/session', async (context) => {
    const identity = context.get('identity')
    const body = await readBody(context, createBody)
    const parent =
      body.parentID === undefined ? undefined : await sessions.get(identity, body.parentID)
    const info = newSession(body, parent, config.workspaceRoot)
    const rootID = parent?.rootID ?? info.id
    context.set('sessionID', info.id)
    const scope = {
      tenant: identity.tenant,
      user: identity.user,
      rootID,
      directory: info.directory,
    }
    await publish(identity.tenant, await work.createSession(scope, info))
    return context.json(info)
  })

  app.get('/session/:sessionID', async (context) =>
    context.json((await sessionOf(context, services)).info),
  )
  app.get('/session/:sessionID/children', async (context) => {
    const { id } = await sessionOf(context, services)
    return context.json(
      (await sessions.children(context.get('identity'), id)).map(({ info }) => info),
    )
  })
  app.get('/session/:sessionID/todo', async (context) =>
    context.json((await sessionOf(context, services)).todos),
  )
  // Without a message: the newest of the session. The engine keeps a message's own with it.
  app.get('/session/:sessionID/diff', async (context) => {
    const { id, diff } = await sessionOf(context, services)
    const { messageID } = readQuery(context, diffQuery)
    if (messageID === undefined) return context.json(diff)
    const [message] = await sessions.messages(id, { id: messageID })
    return context.json(
      (message?.info['summary'] as { diffs?: unknown[] } | undefined)?.diffs ?? [],
    )
  })

  app.patch('/session/:sessionID', async (context) => {
    const session = await sessionOf(context, services)
    const { time, permission, ...changes } = await readBody(context, updateBody)
    const before = session.info['time'] as Record<string, number>
    // Rules are added to those that are there: the last one that matches wins.
    const rules = permission && {
      permission: [...((session.info['permission'] as unknown[] | undefined) ?? []), ...permission],
    }
    const info = {
      ...session.info,
      ...changes,
      ...rules,
      time: { ...before, ...time, updated: Date.now() },
    }
    const items = await work.appendIdle(session, [
      { type: 'session.updated.1', data: { sessionID: session.id, info } },
    ])
    if (items === undefined)
      return answerWith(
        await turns.ask(
          context.get('identity'),
          session,
          engineRequest(context, { time, permission, ...changes }),
        ),
      )
    await publish(session.tenant, items)
    return context.json(info)
  })

  app.delete('/session/:sessionID', async (context) => {
    const session = await sessionOf(context, services)
    const family = await descendants(services, context, session)
    for (const member of family) await turns.abort(member)
    for (const member of family.reverse()) await deleteIdle(services, member)
    return context.json(true)
  })

  app.post('/session/:sessionID/abort', async (context) => {
    const session = await sessionOf(context, services)
    for (const member of await descendants(services, context, session)) await turns.abort(member)
    return context.json(true)
  })
  return app
}

/** A session's info as the engine makes it. */
function newSession(
  body: z.infer<typeof createBody>,
  parent: StoredSession | undefined,
  workspaceRoot: string,
) {
  const now = Date.now()
  const id = createID('session', now)
  const directory = parent?.directory ?? `${workspaceRoot}/${id}`
  const {
    title = `${parent ? 'Child' : 'New'} session - ${new Date(now).toISOString()}`,
    ...given
  } = body
  return {
    id,
    slug: slug(),
    projectID: 'global',
    directory,
    path: directory.slice(1),
    cost: 0,
    tokens: { input: 0, output: 0, reasoning: 0, cache: { read: 0, write: 0 } },
    ...given,
    title,
    version: engineVersion,
    time: { created: now, updated: now },
  }
}

/** A session and all below it, parents first. */
async function descendants(
  { sessions }: Services,
  context: ApiContext,
  session: StoredSession,
): Promise<StoredSession[]> {
  const found = [session]
  for (let index = 0; index < found.length; index++) {
    const member = found[index]
    if (member) found.push(...(await sessions.children(context.get('identity'), member.id)))
  }
  return found
}

/** Waits a little for an aborted turn to end, then deletes. */
async function deleteIdle({ work, publish }: Services, session: StoredSession): Promise<void> {
  const deadline = Date.now() + 15_000
  for (;;) {
    const items = await work.appendIdle(session, [
      { type: 'session.deleted.1', data: { sessionID: session.id, info: session.info } },
    ])
    if (items !== undefined) {
      await publish(session.tenant, items)
      return
    }
    if (Date.now() > deadline)
      throw new Problem(409, 'a turn of this session does not end; abort it and try again', {
        headers: { 'retry-after': '5' },
      })
    await new Promise((done) => setTimeout(done, 100))
  }
}
