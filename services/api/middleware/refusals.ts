import type { MiddlewareHandler } from 'hono'
import { isID } from '../../runtime/ids.ts'
import type { Env, Services } from '../context.ts'
import { idleItems } from '../turns/ending.ts'
import { isWork, passingItem } from '../turns/prompt.ts'

/** Largest refusal that is read again, bytes; the service's own are a few hundred. */
const MAX_REFUSAL = 64 * 2 ** 10

/**
 * Says on the tenant's streams why work was refused: a terminal's client has forgotten the prompt by then, and shows no answer
 * of a request that failed.
 */
export function tellRefusals(services: Services): MiddlewareHandler<Env> {
  const { sessions, turns, publish, logger } = services
  return async (context, next) => {
    await next()
    const { method, path } = context.req
    const { status } = context.res
    const id = path.split('/')[2] ?? ''
    const isRefusal = status >= 400 && status !== 404 && context.get('accepted') !== true
    if (!isRefusal || !isWork({ method, path }) || !isID('session', id)) return
    const identity = context.get('identity')
    try {
      const message = await sentence(context.res)
      const { directory } = await sessions.get(identity, id)
      const error = { name: 'UnknownError', data: { message } }
      const isBusy = (await turns.busy(identity)).includes(id)
      await publish(identity.tenant, [
        passingItem(directory, 'session.error', { sessionID: id, error }),
        ...(isBusy ? [] : idleItems(directory, id)),
      ])
    } catch (error) {
      logger.debug({ session: id, error: String(error) }, 'a refusal was not told on the streams')
    }
  }
}

async function sentence(response: Response): Promise<string> {
  const { detail } = JSON.parse((await response.clone().text()).slice(0, MAX_REFUSAL)) as {
    detail?: unknown
  }
  return typeof detail === 'string' ? detail : 'the service refused the request'
}
