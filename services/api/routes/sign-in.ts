import { Hono } from 'hono'
import { z } from 'zod'
import { audit } from '../../runtime/people/audit.ts'
import { readCookie, writeCookie } from '../../runtime/people/cookie.ts'
import { checkOrigin } from '../../runtime/people/origin.ts'
import { isSecret } from '../../runtime/people/secrets.ts'
import { Problem } from '../../runtime/problem.ts'
import { readBody } from '../body.ts'
import type { ApiContext, Env, Services } from '../context.ts'
import { addressOfRequest, noteRefusal } from '../middleware/access.ts'
import { actionPage, pageHeaders } from '../sign-in/page.ts'
import { beginBrowserSession, endBrowserSession } from '../store/browser-sessions.ts'
import { useLink } from '../store/sign-in-links.ts'

const signInBody = z.object({ link: z.string().max(200) })

/** Signing in by link and signing out: pages with a button, and what the buttons send. */
export function signInRoutes(services: Services): Hono<Env> {
  const { bodies, config, database, metrics } = services
  const app = new Hono<Env>()
  for (const action of ['sign-in', 'sign-out'] as const)
    app.get(`/${action}`, (context) => context.body(actionPage(action), 200, pageHeaders))

  app.post('/sign-in', fromOwnPage, bodies.ofStrangers(), async (context) => {
    const header = (name: string) => context.req.header(name)
    const { link } = await readBody(context, signInBody)
    const before = readCookie(header)
    const begun = isSecret('link', link)
      ? await database.transaction(async (tx) => {
          const owner = await useLink(tx, link)
          if (owner === undefined) return undefined
          if (before !== undefined) await endBrowserSession(tx, before)
          const session = await beginBrowserSession(tx, { ...owner, seconds: config.signInSeconds })
          await audit(tx, {
            ...trace(context),
            ...actor(owner),
            action: 'sign-in',
            object: session.id,
          })
          return session
        })
      : undefined
    if (begun === undefined) {
      const tooMany = await noteRefusal(services, context, 'link')
      if (tooMany !== undefined) throw tooMany
      throw new Problem(
        401,
        'this link was used already, is older than ten minutes, or is not complete; ask for a new one',
      )
    }
    metrics.signIns.inc({ outcome: 'done' })
    await services.people.standing.look()
    return signedIn(context, begun.secret)
  })

  app.post('/sign-out', fromOwnPage, async (context) => {
    const secret = readCookie((name) => context.req.header(name))
    if (secret !== undefined) {
      await database.transaction(async (tx) => {
        const ended = await endBrowserSession(tx, secret)
        if (ended !== undefined)
          await audit(tx, {
            ...trace(context),
            ...actor(ended),
            action: 'sign-out',
            object: ended.id,
          })
      })
      // Its open streams end now, here; within seconds in other processes.
      await services.people.standing.look()
    }
    return signedIn(context, undefined)
  })

  const trace = (context: ApiContext) => ({
    address: addressOfRequest(services, context),
    requestID: context.get('requestID'),
  })
  const actor = ({ tenant, user }: { tenant: string; user: string }) => ({ tenant, actor: user })
  const signedIn = (context: ApiContext, secret: string | undefined) => {
    const header = (name: string) => context.req.header(name)
    context.header('set-cookie', writeCookie(header, secret, config.signInSeconds))
    context.header('cache-control', 'no-store')
    return context.body(null, 204)
  }
  return app
}

/** Only this service's own page may send this, as JSON: another site must not sign a person in as somebody else. */
async function fromOwnPage(context: ApiContext, next: () => Promise<void>): Promise<void> {
  checkOrigin('POST', (name) => context.req.header(name))
  if (!/^application\/json\b/.test(context.req.header('content-type') ?? ''))
    throw new Problem(415, 'send the body as application/json')
  await next()
}
