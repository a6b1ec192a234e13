import { Hono } from 'hono'
import { z } from 'zod'
import { createID } from '../../runtime/ids.ts'
import { Problem } from '../../runtime/problem.ts'
import { inSpan } from '../../runtime/tracing.ts'
import { readBody, readQuery } from '../body.ts'
import type { ApiContext, Env, Services } from '../context.ts'
import { newestMessage, type StoredMessage, type StoredSession } from '../store/sessions.ts'
import { promptsOf } from '../store/turns.ts'
import { promptMessage } from '../turns/prompt.ts'
import { answerWith, engineRequest, idParam, sessionOf } from './common.ts'

const messageID = z
  .string()
  .regex(/^msg[\w]*$/)
  .max(64)
  .optional()
const part = z.looseObject({
  id: z
    .string()
    .regex(/^prt[\w]*$/)
    .max(64)
    .optional(),
  type: z.enum(['text', 'file', 'agent', 'subtask']),
})
const promptBody = z.looseObject({
  messageID,
  parts: z.array(part).max(1_000),
  noReply: z.boolean().optional(),
  agent: z.string().max(128).optional(),
  system: z.string().optional(),
  model: z.looseObject({ providerID: z.string(), modelID: z.string() }).optional(),
  tools: z.record(z.string(), z.boolean()).optional(),
  variant: z.string().max(128).optional(),
})
const commandBody = z.looseObject({
  messageID,
  command: z.string().max(256),
  arguments: z.string(),
  agent: z.string().max(128).optional(),
  model: z.string().optional(),
  parts: z.array(part).max(1_000).optional(),
})
const shellBody = z.looseObject({ messageID, command: z.string(), agent: z.string().max(128) })
const anyBody = z.record(z.string(), z.unknown())
const listQuery = z.object({
  limit: z.coerce.number().int().min(0).max(10_000).optional(),
  before: z.string().max(64).regex(/^\w+$/).optional(),
})

/** Messages and everything that makes some: turns. */
export function messageRoutes(services: Services): Hono<Env> {
  const { sessions, turns, work, publish } = services
  const app = new Hono<Env>()

  app.get('/session/:sessionID/message', async (context) => {
    const { id } = await sessionOf(context, services)
    const { limit: asked, before } = readQuery(context, listQuery)
    const limit = asked === 0 ? undefined : asked
    const found = await inSpan('load.messages', { attributes: { 'session.id': id } }, () =>
      messagesOf(services, id, {
        ...(limit === undefined ? {} : { limit: limit + 1 }),
        ...(before === undefined ? {} : { before }),
      }),
    )
    if (limit !== undefined && found.length > limit) {
      found.shift()
      const cursor = String(found[0]?.info['id'])
      context.header('x-next-cursor', cursor)
      const next = new URLSearchParams({ ...context.req.query(), before: cursor })
      context.header('link', `<${context.req.path}?${next.toString()}>; rel="next"`)
    }
    return context.json(found)
  })

  app.get('/session/:sessionID/message/:messageID', async (context) => {
    const { id } = await sessionOf(context, services)
    const wanted = idParam(context, 'messageID', 'message')
    const [message] = await messagesOf(services, id, { id: wanted })
    if (message === undefined) throw new Problem(404, `Message not found: ${wanted}`)
    return context.json(message)
  })

  app.post('/session/:sessionID/message', async (context) =>
    run(services, context, promptBody, withIDs),
  )
  app.post('/session/:sessionID/command', async (context) =>
    run(services, context, commandBody, withIDs),
  )
  app.post('/session/:sessionID/shell', async (context) =>
    run(services, context, shellBody, withIDs),
  )
  for (const action of ['summarize', 'init', 'revert', 'unrevert', 'fork']) {
    app.post(`/session/:sessionID/${action}`, async (context) => run(services, context, anyBody))
  }

  app.post('/session/:sessionID/prompt_async', async (context) => {
    await accept(services, context, await sessionOf(context, services), promptBody, withIDs)
    return context.body(null, 204)
  })

  app.delete('/session/:sessionID/message/:messageID', async (context) => {
    const id = idParam(context, 'messageID', 'message')
    return change(context, 'message.removed.1', (sessionID) => ({ sessionID, messageID: id }))
  })
  app.delete('/session/:sessionID/message/:messageID/part/:partID', async (context) => {
    const data = {
      messageID: idParam(context, 'messageID', 'message'),
      partID: idParam(context, 'partID', 'part'),
    }
    return change(context, 'message.part.removed.1', (sessionID) => ({ sessionID, ...data }))
  })
  app.patch('/session/:sessionID/message/:messageID/part/:partID', async (context) => {
    const session = await sessionOf(context, services)
    const ids = {
      sessionID: session.id,
      messageID: idParam(context, 'messageID', 'message'),
      id: idParam(context, 'partID', 'part'),
    }
    const body = await readBody(context, z.looseObject({ type: z.string() }))
    if (Object.entries(ids).some(([key, id]) => body[key] !== id))
      throw new Problem(400, 'id, messageID and sessionID of the body must be those of the path')
    return answerWith(
      await turns.ask(context.get('identity'), session, engineRequest(context, body)),
    )
  })

  /** Removes something, here while the session is idle, through its worker while it is not. */
  async function change(
    context: ApiContext,
    type: string,
    data: (sessionID: string) => Record<string, unknown>,
  ): Promise<Response> {
    const session = await sessionOf(context, services)
    const [message] = await sessions.messages(session.id, {
      id: context.req.param('messageID') ?? '',
    })
    if (message === undefined)
      throw new Problem(404, `Message not found: ${context.req.param('messageID') ?? ''}`)
    const items = await work.appendIdle(session, [{ type, data: data(session.id) }])
    if (items === undefined)
      return answerWith(await turns.ask(context.get('identity'), session, engineRequest(context)))
    await publish(session.tenant, items)
    return context.json(true)
  }
  return app
}

/** A session's messages, with the prompts that no engine has taken yet. */
async function messagesOf(
  { database, sessions }: Services,
  sessionID: string,
  page: { limit?: number; before?: string; id?: string },
): Promise<StoredMessage[]> {
  // Prompts first: one that the log takes meanwhile is in both, and stands once.
  const waiting = (await promptsOf(database, sessionID)).map(({ prompt, request }) =>
    promptMessage(prompt, request),
  )
  const stored = await sessions.messages(sessionID, page)
  const idOf = ({ info }: StoredMessage) => String(info['id'])
  const known = new Set(stored.map(idOf))
  const more = waiting.filter((message) => {
    const id = idOf(message)
    if (known.has(id) || id !== (page.id ?? id)) return false
    return page.before === undefined || id < page.before
  })
  if (more.length === 0) return stored
  const all = [...stored, ...more].sort((a, b) => (idOf(a) < idOf(b) ? -1 : 1))
  return page.limit === undefined ? all : all.slice(-page.limit)
}

/** Stores the turn that a request asks for, and gives its body up. @returns the turn's id */
async function accept<S extends z.ZodType>(
  { database, turns }: Services,
  context: ApiContext,
  session: StoredSession,
  schema: S,
  prepare: (body: z.infer<S>, newest: string | undefined) => unknown,
): Promise<string> {
  const body = await readBody(context, schema)
  const newest = await newestMessage(database, session.id)
  const prepared = prepare(body, newest)
  const id = await inSpan('queue', { attributes: { 'session.id': session.id } }, () =>
    turns.submit(context.get('identity'), session, engineRequest(context, prepared), {
      key: keyOf(context),
      body,
      replacedID: replaced(body, prepared, newest),
    }),
  )
  context.set('accepted', true)
  context.get('releaseBody')?.()
  context.get('log').debug({ turn: id, session: session.id }, 'turn accepted')
  return id
}

/** Runs a turn and waits for its answer. */
async function run<S extends z.ZodType>(
  services: Services,
  context: ApiContext,
  schema: S,
  prepare: (body: z.infer<S>, newest: string | undefined) => unknown = (same) => same,
): Promise<Response> {
  const { feeds, turns } = services
  const session = await sessionOf(context, services)
  const identity = context.get('identity')
  const id = await accept(services, context, session, schema, prepare)
  const answer = await turns.answer(id, context.req.raw.signal)
  await feeds.passedOn(identity.tenant, context.req.raw.signal)
  return answerWith(answer)
}

/** Gives a prompt its ids before it is queued, so that a second delivery is the same message, not a second one. */
function withIDs<
  B extends { messageID?: string | undefined; parts?: { id?: string | undefined }[] | undefined },
>(body: B, newest: string | undefined): B {
  const given = body.messageID
  const fresh = createID('message')
  // Clients sort by id. One that was made by a clock that is ahead or behind would stand behind its answer, or before older messages.
  const isInOrder = given !== undefined && given < fresh && given > (newest ?? '')
  return {
    ...body,
    messageID: isInOrder ? given : fresh,
    ...(body.parts === undefined
      ? {}
      : { parts: body.parts.map((entry) => ({ ...entry, id: entry.id ?? createID('part') })) }),
  }
}

/** The message that a client shows already under an id that it will not have. An older one may be another message's. */
function replaced(before: unknown, now: unknown, newest = ''): string | undefined {
  const [given, used] = [before, now].map((body) => (body as { messageID?: string }).messageID)
  return given !== undefined && given !== used && given > newest ? given : undefined
}

/** @throws Problem 400 */
function keyOf(context: ApiContext): string | undefined {
  const key = context.req.header('idempotency-key')
  if (key !== undefined && !/^[\x21-\x7e]{1,255}$/.test(key))
    throw new Problem(400, 'Idempotency-Key must be 1 to 255 printable ASCII characters')
  return key
}
