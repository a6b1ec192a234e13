import { Hono } from 'hono'
import { z } from 'zod'
import { readQuery } from '../body.ts'
import type { Env, Services } from '../context.ts'
import { sessionDirectory } from '../routes/common.ts'

const listQuery = z.object({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .transform((limit) => Math.min(limit, 1_000))
    .default(50),
  order: z.enum(['asc', 'desc']).default('desc'),
  search: z.string().max(200).optional(),
})

/** The few paths of the engine's second API that its web interface asks for. */
export function interfaceRoutes({ sessions, config }: Services): Hono<Env> {
  const app = new Hono<Env>()
  // Its home page: the newest sessions, on one page.
  app.get('/api/session', async (context) => {
    const { limit, order, search } = readQuery(context, listQuery)
    const found = await sessions.list(context.get('identity'), {
      roots: true,
      search,
      limit,
      oldestFirst: order === 'asc',
      directory: sessionDirectory(context, config.workspaceRoot),
    })
    return context.json({ data: found.map(({ info }) => secondForm(info)), cursor: {} })
  })
  app.get('/api/reference', (context) =>
    context.json({
      location: {
        directory: sessionDirectory(context, config.workspaceRoot) ?? config.workspaceRoot,
        project: { id: 'global', directory: '/' },
      },
      data: [],
    }),
  )
  return app
}

/** A session's info in the form of the engine's second API. */
function secondForm(info: Record<string, unknown>): Record<string, unknown> {
  const kept = ['id', 'parentID', 'projectID', 'agent', 'model', 'cost', 'tokens', 'time', 'title']
  return {
    ...Object.fromEntries(
      kept.flatMap((name) => (info[name] === undefined ? [] : [[name, info[name]]])),
    ),
    location: { directory: info['directory'] },
  }
}
