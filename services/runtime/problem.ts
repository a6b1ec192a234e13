/** Extra members of a problem document, and headers that go with it. */
export interface ProblemOptions {
  /** Names the kind of problem for programs, e.g. `stale-fence`. @default 'about:blank' */
  type?: string
  /** Response headers, e.g. `retry-after`. */
  headers?: Record<string, string>
  /** Further members of the document. */
  extra?: Record<string, unknown>
  cause?: unknown
}

/** Names that OpenCode's SDK has types for. */
const engineNames: Record<number, string> = { 400: 'BadRequest', 404: 'NotFoundError' }

const titles: Record<number, string> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  422: 'Cannot be processed',
  429: 'Too many requests',
  500: 'Internal error',
  501: 'Not implemented here',
  502: 'Bad gateway',
  503: 'Unavailable',
  504: 'Timeout',
  507: 'Insufficient storage',
}

/**
 * An error that a client is meant to see. `detail` says what to change.
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export class Problem extends Error {
  readonly status: number
  readonly type: string
  readonly headers: Record<string, string>
  readonly extra: Record<string, unknown>

  constructor(
    status: number,
    detail: string,
    { type = 'about:blank', headers = {}, extra = {}, cause }: ProblemOptions = {},
  ) {
    super(detail, cause === undefined ? undefined : { cause })
    this.name = 'Problem'
    this.status = status
    this.type = type
    this.headers = headers
    this.extra = extra
  }

  /** The document. `name` and `data.message` repeat it in the form OpenCode's clients read. */
  toJSON(requestID?: string): Record<string, unknown> {
    const title = titles[this.status] ?? 'Error'
    return {
      type: this.type,
      title,
      status: this.status,
      detail: this.message,
      ...(requestID === undefined ? {} : { requestID }),
      ...this.extra,
      name: engineNames[this.status] ?? title.replaceAll(' ', ''),
      data: { message: this.message },
    }
  }

  /** The answer to send. */
  toResponse(requestID?: string): Response {
    return new Response(JSON.stringify(this.toJSON(requestID)), {
      status: this.status,
      headers: {
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        ...this.headers,
      },
    })
  }
}
