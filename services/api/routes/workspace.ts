import { Hono } from 'hono'
import { Problem } from '../../runtime/problem.ts'
import type { ApiContext, Env, Services } from '../context.ts'
import { answerWith, engineRequest, sessionOfDirectory } from './common.ts'

/** Paths that read a session's files; the engine answers them. */
export const workspacePaths = [
  '/file',
  '/file/content',
  '/file/status',
  '/find',
  '/find/file',
  '/find/symbol',
  '/vcs/status',
  '/vcs/diff',
  '/vcs/diff/raw',
] as const

/** Reads of a session's files, made by a worker that has the session, or gets it for this. */
export function workspaceRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  const read = async (context: ApiContext) => {
    const session = await sessionOfDirectory(context, services)
    if (session === undefined) {
      throw new Problem(
        501,
        `files belong to a session here: add ?directory=${services.config.workspaceRoot}/<session id>`,
        { type: 'no-session-directory' },
      )
    }
    return answerWith(
      await services.turns.ask(
        context.get('identity'),
        session,
        engineRequest(context),
        context.req.raw.signal,
      ),
    )
  }
  for (const path of workspacePaths) app.get(path, read)
  app.get('/vcs', async (context) => {
    const session = await sessionOfDirectory(context, services)
    return session === undefined
      ? context.json({ branch: null, default_branch: null })
      : read(context)
  })
  return app
}
