import { Hono } from 'hono'
import { Problem } from '../../runtime/problem.ts'
import type { ApiContext, Env } from '../context.ts'

/** Endpoints of the engine that a shared service does not serve, with the reason the client is told. First match wins. */
export const unsupported: readonly { methods: readonly string[]; path: string; reason: string }[] =
  [
    {
      methods: ['PUT', 'DELETE'],
      path: '/auth/:providerID',
      reason:
        "provider keys are the operator's: they are configured in LLM_CONFIG, never by clients",
    },
    {
      methods: ['POST'],
      path: '/provider/:providerID/oauth/*',
      reason: "provider logins are the operator's: providers are configured in LLM_CONFIG",
    },
    {
      methods: ['PATCH'],
      path: '/config',
      reason: 'the configuration is shared by all of the tenant; the operator changes it',
    },
    {
      methods: ['PATCH'],
      path: '/global/config',
      reason: 'the configuration is shared by all of the tenant; the operator changes it',
    },
    {
      methods: ['POST'],
      path: '/global/*',
      reason: 'clients cannot restart or upgrade the service; the operator deploys versions',
    },
    {
      methods: ['POST'],
      path: '/instance/dispose',
      reason: 'engines are started and ended by the service, turn by turn',
    },
    {
      methods: ['POST', 'DELETE'],
      path: '/session/:sessionID/share',
      reason: 'sessions are never published to another service',
    },
    {
      methods: ['POST', 'DELETE', 'GET', 'PUT'],
      path: '/mcp/*',
      reason: 'MCP servers are not run for tenants',
    },
    { methods: ['POST'], path: '/mcp', reason: 'MCP servers are not run for tenants' },
    {
      methods: ['GET', 'POST', 'PUT', 'DELETE'],
      path: '/pty/*',
      reason:
        'a worker has a session only for a turn, so no terminal can stay open; use POST /session/:id/shell',
    },
    {
      methods: ['POST'],
      path: '/pty',
      reason:
        'a worker has a session only for a turn, so no terminal can stay open; use POST /session/:id/shell',
    },
    {
      methods: ['POST', 'GET'],
      path: '/tui/*',
      reason:
        'this controls a terminal interface in the same process as the engine; there is none here',
    },
    {
      methods: ['POST'],
      path: '/sync/*',
      reason: 'the event log is kept by the service; read it with GET /event and Last-Event-ID',
    },
    {
      methods: ['POST'],
      path: '/vcs/apply',
      reason: 'files are changed by turns only; use POST /session/:id/shell with git apply',
    },
    {
      methods: ['POST', 'PATCH'],
      path: '/project/*',
      reason: 'each session has a directory of its own; there are no projects to change',
    },
    {
      methods: ['GET'],
      path: '/experimental/tool',
      reason:
        "the tools' schemas depend on the model and live in the engine; their names are at /experimental/tool/ids",
    },
    {
      methods: ['POST', 'DELETE'],
      path: '/experimental/worktree/*',
      reason: 'each session has a directory of its own; there are no worktrees',
    },
    {
      methods: ['GET', 'POST', 'DELETE'],
      path: '/experimental/*',
      reason: 'this experimental endpoint manages processes and directories of one machine',
    },
    {
      methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
      path: '/api/*',
      reason:
        "the second version of the engine's API is a preview; use the first, e.g. /session and /event",
    },
  ]

/** Answers 501 with the reason. */
export function unsupportedRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  for (const { methods, path, reason } of unsupported) {
    const refuse = (context: ApiContext) => {
      throw new Problem(
        501,
        `${context.req.method} ${context.req.path.slice(0, 200)} is not served here: ${reason}`,
        { type: 'not-served' },
      )
    }
    app.on([...methods], path, refuse)
  }
  return app
}
