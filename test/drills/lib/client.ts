/** Where the service answers and who asks. */
export interface Target {
  /** Base URL, e.g. `http://127.0.0.1:8080`. */
  readonly url: string
  /** JSON web token of a tenant that only the drill uses. */
  readonly token: string
}

/** A session or message as far as a drill looks at it. */
interface Identified {
  readonly id: string
}

/** A message as far as a drill looks at it. */
interface Message {
  readonly info: Identified & { readonly role: string }
}

/** The calls a drill makes, over plain `fetch`: no client-side retry may hide a failure. */
export class DrillClient {
  readonly #target: Target

  constructor(target: Target) {
    this.#target = target
  }

  /** One request; a status of 400 or more is an error with the status in it. */
  async request(
    method: string,
    path: string,
    body?: unknown,
    deadlineMs = 5_000,
  ): Promise<Response> {
    const response = await fetch(new URL(path, this.#target.url), {
      method,
      headers: {
        authorization: `Bearer ${this.#target.token}`,
        'content-type': 'application/json',
      },
      signal: AbortSignal.timeout(deadlineMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw new Error(`HTTP ${response.status}`)
    }
    return response
  }

  /** Creates a session: the smallest durable write. */
  async createSession(title: string): Promise<string> {
    const response = await this.request('POST', '/session', { title })
    return ((await response.json()) as Identified).id
  }

  /** Reads the newest session, as a client's list would. */
  async read(): Promise<void> {
    const response = await this.request('GET', '/session?limit=1')
    await response.json()
  }

  /** Sends a prompt and waits for the turn to end; returns the assistant message's id. */
  async prompt(session: string, text: string, deadlineMs: number): Promise<string> {
    const body = { parts: [{ type: 'text', text }] }
    const response = await this.request('POST', `/session/${session}/message`, body, deadlineMs)
    return ((await response.json()) as Message).info.id
  }

  /** Titles of all sessions whose title contains a text; the service lists at most 1000. */
  async titles(containing: string): Promise<string[]> {
    const path = `/session?limit=1000&search=${encodeURIComponent(containing)}`
    const response = await this.request('GET', path, undefined, 30_000)
    return ((await response.json()) as { title: string }[]).map(({ title }) => title)
  }

  /** The messages of a session. */
  async messages(session: string): Promise<{ id: string; role: string }[]> {
    const response = await this.request('GET', `/session/${session}/message`, undefined, 30_000)
    return ((await response.json()) as Message[]).map(({ info }) => ({
      id: info.id,
      role: info.role,
    }))
  }

  /** Opens the tenant's event stream, resuming after the given event id. */
  async events(lastEventId: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#target.token}`,
      accept: 'text/event-stream',
    }
    if (lastEventId !== undefined) headers['last-event-id'] = lastEventId
    const response = await fetch(new URL('/event', this.#target.url), { headers, signal })
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`)
    return response
  }
}
