import { Hono } from 'hono'
import type { ApiContext, Env, Services } from '../context.ts'
import { answerWith, engineRequest, sessionOfDirectory } from './common.ts'

/** Paths that read a session's files, which the engine answers, and what they say where there is no session yet. */
const reads: Record<string, unknown> = {
  '/file': [],
  '/file/content': { type: 'text', content: '' },
  '/file/status': [],
  '/find': [],
  '/find/file': [],
  '/find/symbol': [],
  '/vcs': { branch: null, default_branch: null },
  '/vcs/status': [],
  '/vcs/diff': [],
  '/vcs/diff/raw': '',
}

/** Reads of a session's files, made by a worker that has the session, or gets it for this. */
export function workspaceRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  for (const [path, empty] of Object.entries(reads)) {
    app.get(path, async (context: ApiContext) => {
      const session = await sessionOfDirectory(context, services)
      if (session === undefined)
        return typeof empty === 'string' ? context.text(empty) : context.json(empty)
      return answerWith(
        await services.turns.ask(
          context.get('identity'),
          session,
          engineRequest(context),
          context.req.raw.signal,
        ),
      )
    })
  }
  return app
}
