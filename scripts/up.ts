// `npm run up [-- --region REGION] [--name NAME] [--profile PROFILE] [--port PORT] [--offline]`: a cluster, the service on
// it, one real prompt through it.
import { relative } from 'node:path'
import { bringUpCluster, saveTimings } from '../cluster/bring-up.ts'
import { prompt, userToken, waitForGateway } from '../cluster/first-prompt.ts'
import { buildImages } from '../cluster/images/index.ts'
import { kubeconfig } from '../cluster/kind-cluster.ts'
import { parseUpOptions, type UpOptions } from '../cluster/options.ts'
import { pinnedImages } from '../cluster/pinned-images.ts'
import { profileValues } from '../cluster/profile-values.ts'
import { createProgress, formatSeconds, type Progress } from '../cluster/progress.ts'
import { chooseProvider } from '../cluster/provider.ts'
import { registry } from '../cluster/registry.ts'
import { helm, installRelease, waitForRelease, writeProviderKeys, type Release } from '../cluster/release.ts'
import { root } from '../cluster/paths.ts'
import { main } from './lib/user-error.ts'

/** The cluster's own Gateway, which the chart's routes attach to. */
const sharedGateway = { enabled: true, parent: { name: 'opencode', namespace: 'gateway' } }

async function install(options: UpOptions, release: Release, progress: Progress): Promise<void> {
  const provider = chooseProvider(process.env)
  await progress.step('helm install', async () => {
    progress.line(`answers come from ${provider.title}`)
    await writeProviderKeys(release, provider)
    const own = { region: options.region, gateway: sharedGateway }
    const values = { ...profileValues(options.profile), ...(await pinnedImages()), ...own, ...provider.values }
    await installRelease(release, { valuesFiles: [`${root}/values/kind.yaml`], values })
  })
  await progress.step('waiting for the pods', () => waitForRelease(release, 300, progress.line))
  await progress.step('helm test', async () => {
    await helm(release, ['test', release.name, '--timeout', '3m', '--logs'])
  })
}

function summary(options: UpOptions, url: string, token: string, answer: string): string {
  const config = relative(process.cwd(), kubeconfig(options.name))
  return [
    '',
    'The answer:',
    ...answer.split('\n').map((text) => `  ${text}`),
    '',
    `API and web addresses   ${url}  (health: ${url}/health, events: ${url}/event, WebSocket: ${url.replace('http', 'ws')}/ws)`,
    `Kubernetes              export KUBECONFIG=${config}`,
    `Token, valid 7 days     ${token}`,
    '',
    'Try it:',
    `  OPENCODE_SERVER_PASSWORD=${token} npx opencode-linux-x64 run --attach ${url} "Hello"`,
    `  curl -H "Authorization: Bearer ${token}" ${url}/session`,
    '',
  ].join('\n')
}

await main(async () => {
  const options = parseUpOptions(process.argv.slice(2))
  const progress = createProgress()
  const started = Date.now()
  const cluster = await bringUpCluster(options, progress)
  const release: Release = { cluster: cluster.name, name: 'opencode', namespace: 'opencode', helm: 'helm4' }
  await progress.step('images', () => buildImages({ registry: registry.host, offline: cluster.offline, progress }))
  await install(options, release, progress)
  const url = `http://127.0.0.1:${options.port}`
  const token = await userToken(release)
  const answer = await progress.step('one prompt through the gateway', async () => {
    await waitForGateway(url, 60)
    return prompt(url, token, 'Say hello and tell me which model you are.')
  })
  saveTimings(cluster.name, progress)
  process.stdout.write(summary(options, url, token, answer))
  process.stdout.write(`Up in ${formatSeconds((Date.now() - started) / 1000)}. "npm run down" removes it.\n`)
})
