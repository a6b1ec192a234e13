import { Hono } from 'hono'
import type { ApiContext, Env, Services } from '../context.ts'
import { catalogue, configOf, defaultsOf, engineVersion, providersOf } from '../catalogue/index.ts'
import { sessionDirectory } from './common.ts'

/** What is the same for every session: configuration, providers, agents, commands. Nothing here needs a worker. */
export function staticRoutes({ llm, config: { workspaceRoot } }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const providers = providersOf(llm)
  const defaults = defaultsOf(llm)
  const config = configOf(llm)
  const project = { id: 'global', worktree: '/', time: { created: 0, updated: 0 }, sandboxes: [] }
  const directoryOf = (context: ApiContext) =>
    sessionDirectory(context, workspaceRoot) ?? workspaceRoot
  const home = '/home/opencode'
  const answers: Record<string, (context: ApiContext) => unknown> = {
    '/config': () => config,
    '/global/config': () => config,
    '/config/providers': () => ({ providers, default: defaults }),
    '/provider': () => ({
      all: providers,
      default: defaults,
      connected: providers.map(({ id }) => id),
    }),
    '/provider/auth': () => ({}),
    '/agent': () => catalogue.agents,
    '/command': () => catalogue.commands,
    '/skill': () => catalogue.skills,
    '/experimental/tool/ids': () => catalogue.toolIDs,
    '/experimental/capabilities': () => ({ backgroundSubagents: false }),
    '/experimental/console': () => ({ consoleManagedProviders: [], switchableOrgCount: 0 }),
    '/experimental/console/orgs': () => ({ orgs: [] }),
    '/experimental/resource': () => ({}),
    '/experimental/workspace': () => [],
    '/experimental/workspace/status': () => [],
    '/experimental/workspace/adapter': () => [],
    '/experimental/worktree': () => [],
    '/lsp': () => [],
    '/formatter': () => [],
    '/mcp': () => ({}),
    '/pty': () => [],
    '/pty/shells': () => [],
    '/project': () => [project],
    '/project/current': () => project,
    '/global/health': () => ({ healthy: true, version: engineVersion }),
    '/api/health': () => ({ healthy: true }),
    '/path': (context) => ({
      home,
      state: `${home}/.local/state/opencode`,
      config: `${home}/.config/opencode`,
      worktree: '/',
      directory: directoryOf(context),
    }),
    '/api/location': (context) => ({
      directory: directoryOf(context),
      project: { id: 'global', directory: '/' },
    }),
  }
  for (const [path, answer] of Object.entries(answers))
    app.get(path, (context) => context.json(answer(context)))
  app.get('/project/:projectID/directories', (context) => context.json([]))
  // Clients report their own errors here; the service keeps no client's words in its logs.
  app.post('/log', (context) => context.json(true))
  return app
}
