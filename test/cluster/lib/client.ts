import { url } from './environment.ts'

/** What the tests read of a session. */
export interface Session {
  readonly id: string
  readonly title: string
}

/** One request to the service through the gateway. */
export async function call<T>(
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: T }> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(120_000),
  })
  const text = await response.text()
  return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as T }
}

const directory = '?directory=/workspace/demo'

/** Creates a session. */
export async function createSession(token: string, title: string): Promise<Session> {
  const { status, body } = await call<Session>(token, 'POST', `/session${directory}`, { title })
  if (status !== 200) throw new Error(`creating a session: ${status} ${JSON.stringify(body)}`)
  return body
}

/** Sends a prompt and returns the text of the answer. */
export async function ask(token: string, session: string, text: string): Promise<string> {
  interface Message {
    parts: { type: string; text?: string }[]
  }
  const path = `/session/${session}/message${directory}`
  const { status, body } = await call<Message>(token, 'POST', path, {
    parts: [{ type: 'text', text }],
  })
  if (status !== 200) throw new Error(`sending a prompt: ${status} ${JSON.stringify(body)}`)
  return body.parts.flatMap((part) => (part.type === 'text' ? (part.text ?? []) : [])).join('')
}

/** Texts of all messages of a session, oldest first. */
export async function history(token: string, session: string): Promise<string[]> {
  const { body } = await call<{ parts: { type: string; text?: string }[] }[]>(
    token,
    'GET',
    `/session/${session}/message${directory}`,
  )
  return body.map(({ parts }) => parts.flatMap((part) => part.text ?? []).join(''))
}
