import { isID, type IdKind } from '../../runtime/ids.ts'
import { Problem } from '../../runtime/problem.ts'
import type { ApiContext, Services } from '../context.ts'
import type { StoredSession } from '../store/sessions.ts'
import { inSpan } from '../../runtime/tracing.ts'
import type { EngineAnswer, EngineRequest } from '../store/engine-messages.ts'

/** A path parameter that is an id of this kind. @throws Problem 400 */
export function idParam(context: ApiContext, name: string, kind: IdKind): string {
  const value = context.req.param(name) ?? ''
  if (!isID(kind, value))
    throw new Problem(400, `"${value.slice(0, 40)}" is not the id of a ${kind}`, {
      type: 'invalid-id',
    })
  return value
}

/** The session that a path names. @throws Problem 400, 404 */
export async function sessionOf(
  context: ApiContext,
  { sessions }: Services,
): Promise<StoredSession> {
  const id = idParam(context, 'sessionID', 'session')
  context.set('sessionID', id)
  return inSpan('load.messages', { attributes: { 'session.id': id } }, () =>
    sessions.get(context.get('identity'), id),
  )
}

/** The session whose directory a request names, by `?directory=` or `x-opencode-directory`. */
export async function sessionOfDirectory(
  context: ApiContext,
  { sessions, config }: Services,
): Promise<StoredSession | undefined> {
  const directory = sessionDirectory(context, config.workspaceRoot)
  if (directory === undefined) return undefined
  const id = directory.slice(config.workspaceRoot.length + 1)
  context.set('sessionID', id)
  return sessions.get(context.get('identity'), id)
}

/** The directory a request names where it is a session's; clients also send directories of their own machines, which mean nothing here. */
export function sessionDirectory(context: ApiContext, workspaceRoot: string): string | undefined {
  const named =
    context.req.query('directory') ?? decodeHeader(context.req.header('x-opencode-directory'))
  if (named?.startsWith(`${workspaceRoot}/`) !== true) return undefined
  const id = named.slice(workspaceRoot.length + 1).split('/')[0] ?? ''
  return isID('session', id) ? `${workspaceRoot}/${id}` : undefined
}

function decodeHeader(value: string | undefined): string | undefined {
  try {
    return value === undefined ? undefined : decodeURIComponent(value)
  } catch {
    return undefined
  }
}

/** The request as the engine gets it: the same, without what names credentials or the directory. */
export function engineRequest(context: ApiContext, body?: unknown): EngineRequest {
  const query = context.req.query()
  delete query['directory']
  delete query['workspace']
  const { method, path } = context.req
  return {
    method,
    path,
    ...(Object.keys(query).length > 0 ? { query } : {}),
    ...(body === undefined ? {} : { body }),
  }
}

/** Passes an engine's answer on. */
export function answerWith(answer: EngineAnswer): Response {
  const { status } = answer
  const type = headerOf(answer, 'content-type') ?? 'application/json'
  const headers = new Headers({
    'content-type': type,
    'cache-control': 'no-store',
    'x-opencode-served-by': 'worker',
  })
  for (const name of ['link', 'x-next-cursor']) {
    const value = headerOf(answer, name)
    if (value !== undefined) headers.set(name, value)
  }
  if (status === 204 || status === 304)
    return new Response(null, { status, headers: { 'x-opencode-served-by': 'worker' } })
  const text =
    typeof answer.body === 'string' && !type.includes('json')
      ? answer.body
      : JSON.stringify(answer.body ?? null)
  return new Response(text, { status: status < 200 || status > 599 ? 502 : status, headers })
}

/** A header of an engine's answer, where it is one that HTTP can carry. */
function headerOf({ headers }: EngineAnswer, name: string): string | undefined {
  const value = headers[name]
  return value !== undefined && /^[\t\x20-\x7e]+$/.test(value) ? value : undefined
}
