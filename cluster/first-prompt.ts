import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { $ } from 'zx'
import { UserError } from '../scripts/lib/user-error.ts'
import { kubectl } from './kind-cluster.ts'
import { poll } from './poll.ts'
import type { Release } from './release.ts'

/** Key of the Secret that signs users' tokens, as the chart's defaults name it. */
const jwtKey = 'jwt-secret'

/** Makes a token for a user of a tenant with the release's own signing secret. Valid for 7 days. */
export async function userToken(release: Release, tenant = 'demo', user = 'demo'): Promise<string> {
  const output = await kubectl(release.cluster, [
    'get',
    'secrets',
    '--namespace',
    release.namespace,
    '--output',
    'json',
  ])
  const { items } = JSON.parse(output) as { items: { data?: Record<string, string> }[] }
  const encoded = items.flatMap(({ data }) => data?.[jwtKey] ?? [])[0]
  if (encoded === undefined)
    throw new UserError(`no Secret in namespace "${release.namespace}" has the key "${jwtKey}".`)
  return new SignJWT({ tenant })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuer('opencode')
    .setAudience('opencode')
    .setIssuedAt()
    .setExpirationTime('7d')
    .sign(Buffer.from(encoded, 'base64'))
}

/** Makes a sign-in link, as an administrator does: good once, for ten minutes. */
export async function signInLink(
  release: Release,
  url: string,
  tenant = 'demo',
  user = 'demo',
): Promise<string> {
  const output = await kubectl(release.cluster, [
    ...['exec', `service/${release.name}-api`, '--namespace', release.namespace],
    ...['--container', 'api', '--', 'admin', 'sign-in-link'],
    ...['--tenant', tenant, '--user', user, '--url', url],
  ])
  return output.trim()
}

/** Waits until the service answers through the gateway. */
export async function waitForGateway(url: string, seconds: number): Promise<void> {
  await poll(
    `${url}/health/ready`,
    seconds,
    async () => (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(5000) })).ok,
  )
}

/** Path of OpenCode's own program, the pinned one that the engine is made of too. */
function opencode(): string {
  return createRequire(import.meta.url).resolve('opencode-linux-x64/bin/opencode')
}

/**
 * Sends one prompt with OpenCode's own client, as a user would, and returns what it prints.
 * @throws UserError with the client's own words when it fails or takes longer than `seconds`.
 */
export async function prompt(
  url: string,
  token: string,
  text: string,
  seconds = 180,
): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'opencode-client-'))
  try {
    const env = {
      ...process.env,
      HOME: home,
      XDG_DATA_HOME: join(home, 'data'),
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_SERVER_PASSWORD: token,
    }
    // The client reads a piped standard input to its end before it starts: give it none.
    const run = $({
      quiet: true,
      nothrow: true,
      env,
      cwd: home,
      timeout: seconds * 1000,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const result = await run`${opencode()} run --attach ${url} ${text}`
    const answer = result.stdout.trim()
    if (result.exitCode !== 0 || answer === '') {
      throw new UserError(
        `the prompt failed: ${result.stderr.trim() || answer || `no answer within ${seconds} s`}`,
      )
    }
    return answer
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}
