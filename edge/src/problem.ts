const titles: Record<number, string> = {
  400: 'Bad request',
  401: 'Not authenticated',
  404: 'Not found',
  405: 'Method not allowed',
  502: 'Bad gateway',
  503: 'Unavailable',
  504: 'Timeout',
}

/**
 * An error of the edge itself, in the form that the API's errors have: `name` and `data.message` are what OpenCode's clients read.
 * @see https://www.rfc-editor.org/rfc/rfc9457
 */
export function problem(
  status: number,
  detail: string,
  id: string,
  extra: Record<string, string> = {},
): Response {
  const title = titles[status] ?? 'Error'
  const name = status === 404 ? 'NotFoundError' : title.replaceAll(' ', '')
  const body = {
    type: 'about:blank',
    title,
    status,
    detail,
    requestID: id,
    name,
    data: { message: detail },
  }
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-request-id': id,
      ...extra,
    },
  })
}
