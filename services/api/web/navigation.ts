import type { ApiContext } from '../context.ts'

/** Whether a person's browser asks for a page: programs, and the page's own calls, get JSON. */
export function isNavigation(context: ApiContext): boolean {
  if (context.req.method !== 'GET') return false
  const mode = context.req.header('sec-fetch-mode')
  if (mode !== undefined && mode !== 'navigate') return false
  return (context.req.header('accept') ?? '')
    .split(',')
    .some((type) => /^text\/html\b/.test(type.trim()))
}
