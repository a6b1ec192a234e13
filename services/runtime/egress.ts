import { EnvHttpProxyAgent, fetch, type Agent, type Dispatcher } from 'undici'

/**
 * Makes the connections of calls that leave the cluster: through the proxy of `HTTPS_PROXY` or `HTTP_PROXY`, but for the hosts of
 * `NO_PROXY`. Where none is set they are direct. Private authorities are Node's own: `NODE_EXTRA_CA_CERTS`.
 * @param options - As undici's Agent takes them; the time limit of connections holds for those of and through a proxy too.
 * @throws Error naming the variable that holds no proxy
 */
export function egressAgent(
  { connect, ...options }: Omit<Agent.Options, 'connect'> & { connect?: { timeout: number } } = {},
  env: NodeJS.ProcessEnv = process.env,
): Dispatcher {
  return new EnvHttpProxyAgent({
    ...options,
    ...(connect === undefined ? {} : { connect, requestTls: connect, proxyTls: connect }),
    httpsProxy: proxyOf(env, 'HTTPS_PROXY'),
    httpProxy: proxyOf(env, 'HTTP_PROXY'),
    noProxy: env['no_proxy'] ?? env['NO_PROXY'] ?? '',
  })
}

/** `fetch` for calls that leave the cluster, as {@link egressAgent} makes their connections. */
export function egressFetch(env: NodeJS.ProcessEnv = process.env): typeof globalThis.fetch {
  const dispatcher = egressAgent({}, env)
  return ((url: string, init: object) =>
    fetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch
}

/** The lower case comes first, as in curl; an empty one is unset. */
function proxyOf(env: NodeJS.ProcessEnv, name: string): string {
  const text = env[name.toLowerCase()] ?? env[name] ?? ''
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (text === '' || (url !== undefined && /^https?:$/.test(url.protocol) && url.hostname !== ''))
    return text
  const shown = text.includes('@') ? 'set' : `"${text}"`
  throw new Error(`${name} is ${shown}, which is no proxy. Give http://host:port.`)
}
