import type { Client } from './api.ts'

/** A session with what a call may need to name. */
export interface Fixture {
  id: string
  directory: string
  /** The user's message. */
  messageID: string
  /** The first part of the user's message. */
  partID: string
  part: Record<string, unknown>
}

/** What calls are made against: sessions of one tenant. */
export interface World {
  readonly client: Client
  /** A session with a finished turn and the file `note.txt`, for calls that leave it as it is. */
  readonly kept: Fixture
  /** A new session without messages. */
  empty(): Promise<{ id: string; directory: string }>
  /** A new session with one answered prompt. */
  prompted(): Promise<Fixture>
  /** A session whose turn waits for an answer: this one, or a new one. */
  asking(kind: 'permission' | 'question', id?: string): Promise<{ id: string; requestID: string }>
}

/** A call, completed by the endpoint's method and path. */
export interface Call {
  params?: Record<string, string>
  query?: Record<string, string>
  body?: unknown
}

/** How an endpoint is driven, and what a reader of the table should know about its answer. */
export interface Drive {
  call: (world: World) => Call | Promise<Call>
  remark?: string
  /** How the engine's own answer is not what its own document says. @default not at all */
  deviation?: string
}

const plain: Drive = { call: () => ({}) }
const fixed = (remark: string): Drive => ({ call: () => ({}), remark })
const session = (more: Call = {}, remark?: string): Drive => ({
  call: ({ kept }) => ({ params: { sessionID: kept.id }, ...more }),
  ...(remark === undefined ? {} : { remark }),
})
const files = (query: Record<string, string> = {}): Drive => ({
  call: ({ kept }) => ({ query: { directory: kept.directory, ...query } }),
  remark: 'of the session that `directory` names',
})
const model = { providerID: 'scripted', modelID: 'one' }
const text = (words: string) => ({ parts: [{ type: 'text', text: words }] })

/** Drives of all endpoints that are served. An endpoint that is not here must answer 501 with its reason. */
export const drives: Record<string, Drive> = {
  'GET /event': { call: () => ({}), remark: 'stream; `Last-Event-ID` resumes it' },
  'GET /global/event': { call: () => ({}), remark: 'stream; `Last-Event-ID` resumes it' },

  'GET /session': plain,
  'POST /session': { call: () => ({ body: { title: 'A session' } }) },
  'GET /session/status': plain,
  'GET /session/{sessionID}': session(),
  'PATCH /session/{sessionID}': session(
    { body: { title: 'Another title' } },
    'by the worker that has the session, while one has',
  ),
  'DELETE /session/{sessionID}': {
    call: async (world) => ({ params: { sessionID: (await world.empty()).id } }),
    remark: 'aborts what runs, waits for its end',
  },
  'GET /session/{sessionID}/children': session(),
  'GET /session/{sessionID}/todo': session(),
  'GET /session/{sessionID}/diff': session(),
  'POST /session/{sessionID}/abort': session(),
  'POST /session/{sessionID}/fork': session({ body: {} }, 'the files are copied too'),
  'POST /session/{sessionID}/init': {
    call: async (world) => ({
      params: { sessionID: (await world.empty()).id },
      body: { ...model, messageID: 'msg_00000000000100000000000000' },
    }),
  },
  'POST /session/{sessionID}/summarize': {
    call: async (world) => ({ params: { sessionID: (await world.prompted()).id }, body: model }),
  },
  'POST /session/{sessionID}/revert': {
    call: async (world) => {
      const { id, messageID } = await world.prompted()
      return { params: { sessionID: id }, body: { messageID } }
    },
  },
  'POST /session/{sessionID}/unrevert': session(),

  'GET /session/{sessionID}/message': session(),
  'POST /session/{sessionID}/message': session(
    { body: text('hello') },
    'takes an `Idempotency-Key`',
  ),
  'POST /session/{sessionID}/prompt_async': {
    call: async (world) => ({
      params: { sessionID: (await world.empty()).id },
      body: text('hello'),
    }),
    remark: 'takes an `Idempotency-Key`',
  },
  'POST /session/{sessionID}/command': session({ body: { command: 'review', arguments: '' } }),
  'POST /session/{sessionID}/shell': session({ body: { agent: 'build', command: 'echo hello' } }),
  'GET /session/{sessionID}/message/{messageID}': {
    call: ({ kept }) => ({ params: { sessionID: kept.id, messageID: kept.messageID } }),
  },
  'DELETE /session/{sessionID}/message/{messageID}': {
    call: async (world) => {
      const { id, messageID } = await world.prompted()
      return { params: { sessionID: id, messageID } }
    },
    remark: 'by the worker that has the session, while one has',
  },
  'DELETE /session/{sessionID}/message/{messageID}/part/{partID}': {
    call: async (world) => {
      const { id, messageID, partID } = await world.prompted()
      return { params: { sessionID: id, messageID, partID } }
    },
    remark: 'by the worker that has the session, while one has',
  },
  'PATCH /session/{sessionID}/message/{messageID}/part/{partID}': {
    call: async (world) => {
      const { id, messageID, partID, part } = await world.prompted()
      return { params: { sessionID: id, messageID, partID }, body: { ...part, text: 'changed' } }
    },
  },

  'GET /permission': plain,
  'POST /permission/{requestID}/reply': {
    call: async (world) => ({
      params: { requestID: (await world.asking('permission')).requestID },
      body: { reply: 'once' },
    }),
  },
  'POST /session/{sessionID}/permissions/{permissionID}': {
    call: async (world) => {
      const { id, requestID } = await world.asking('permission')
      return { params: { sessionID: id, permissionID: requestID }, body: { response: 'reject' } }
    },
  },
  'GET /question': plain,
  'POST /question/{requestID}/reply': {
    call: async (world) => ({
      params: { requestID: (await world.asking('question')).requestID },
      body: { answers: [['Yes']] },
    }),
  },
  'POST /question/{requestID}/reject': {
    call: async (world) => ({ params: { requestID: (await world.asking('question')).requestID } }),
  },

  'GET /file': files({ path: '.' }),
  'GET /file/content': files({ path: 'note.txt' }),
  'GET /file/status': files(),
  'GET /find': files({ pattern: 'kept' }),
  'GET /find/file': files({ query: 'note' }),
  'GET /find/symbol': files({ query: 'note' }),
  // Outside of a git repository the engine itself answers with nulls.
  'GET /vcs': { ...files(), deviation: 'data/branch must be string' },
  'GET /vcs/status': files(),
  'GET /vcs/diff': files({ mode: 'git' }),
  'GET /vcs/diff/raw': files(),

  'GET /config': fixed('providers and models of `LLM_CONFIG`, without keys and addresses'),
  'GET /global/config': fixed('the same as `GET /config`'),
  'GET /config/providers': fixed('providers and models of `LLM_CONFIG`'),
  'GET /provider': fixed('providers and models of `LLM_CONFIG`'),
  'GET /provider/auth': fixed("always empty: keys are the operator's"),
  'GET /agent': plain,
  'GET /command': plain,
  'GET /skill': plain,
  'GET /experimental/tool/ids': plain,
  'GET /experimental/session': plain,
  'GET /experimental/capabilities': plain,
  'GET /experimental/console': fixed('always empty'),
  'GET /experimental/console/orgs': fixed('always empty'),
  'GET /experimental/resource': fixed('always empty: MCP servers are not run for tenants'),
  'GET /experimental/workspace': fixed('always empty'),
  'GET /experimental/workspace/adapter': fixed('always empty'),
  'GET /experimental/workspace/status': fixed('always empty'),
  'GET /experimental/worktree': fixed('always empty'),
  'GET /lsp': fixed('always empty'),
  'GET /formatter': fixed('always empty'),
  'GET /mcp': fixed('always empty: MCP servers are not run for tenants'),
  'GET /pty': fixed('always empty'),
  'GET /pty/shells': fixed('always empty'),
  'GET /project': fixed('one project, `global`'),
  'GET /project/current': fixed('the project `global`'),
  'GET /project/{projectID}/directories': {
    call: () => ({ params: { projectID: 'global' } }),
    remark: 'always empty',
  },
  'GET /path': plain,
  'GET /global/health': plain,
  'GET /api/health': plain,
  'GET /api/location': plain,
  'GET /api/reference': fixed('always empty; for the web interface'),
  'GET /api/session': {
    call: () => ({ query: { limit: '5', order: 'desc' } }),
    remark: "one page; for the web interface's home",
  },
  'POST /log': {
    call: () => ({ body: { service: 'client', level: 'info', message: 'hello' } }),
    remark: 'accepted and not kept',
  },
}
