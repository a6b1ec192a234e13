import { Hono } from 'hono'
import type { ApiContext, Env, Services } from '../context.ts'
import { catalogue, configOf, defaultsOf, engineVersion, providersOf } from '../catalogue/index.ts'
import { sessionDirectory, sessionOfDirectory } from './common.ts'

/** What is the same for every session: configuration, providers, agents, commands. Nothing here needs a worker. */
export function staticRoutes(services: Services): Hono<Env> {
  const {
    llm,
    sessions,
    config: { workspaceRoot },
  } = services
  const app = new Hono<Env>()
  const providers = providersOf(llm)
  const defaults = defaultsOf(llm)
  const config = configOf(llm)
  const noProject = { id: 'global', worktree: '/', time: { created: 0, updated: 0 }, sandboxes: [] }
  const projectOf = async (context: ApiContext) => {
    const session = await sessionOfDirectory(context, services)
    if (session === undefined) return noProject
    const known = await sessions.project(context.get('identity'), session.rootID)
    return known?.vcs === undefined
      ? noProject
      : { ...known, worktree: session.directory, sandboxes: [] }
  }
  const directoryOf = (context: ApiContext) =>
    sessionDirectory(context, workspaceRoot) ?? workspaceRoot
  const home = '/home/opencode'
  const answers: Record<string, () => unknown> = {
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
    '/global/health': () => ({ healthy: true, version: engineVersion }),
    '/api/health': () => ({ healthy: true }),
  }
  for (const [path, answer] of Object.entries(answers))
    app.get(path, (context) => context.json(answer()))
  app.get('/project', async (context) => {
    const project = await projectOf(context)
    return context.json(project === noProject ? [noProject] : [noProject, project])
  })
  app.get('/project/current', async (context) => context.json(await projectOf(context)))
  app.get('/path', async (context) =>
    context.json({
      home,
      state: `${home}/.local/state/opencode`,
      config: `${home}/.config/opencode`,
      worktree: (await projectOf(context)).worktree,
      directory: directoryOf(context),
    }),
  )
  app.get('/api/location', async (context) => {
    const { id, worktree } = await projectOf(context)
    return context.json({
      directory: directoryOf(context),
      project: { id, directory: worktree },
    })
  })
  app.get('/project/:projectID/directories', (context) => context.json([]))
  // Clients report their own errors here; the service keeps no client's words in its logs.
  app.post('/log', (context) => context.json(true))
  return app
}
